//! What every page has around its contents.

use super::{SCRIPT_BEGINS, STYLE};
use crate::escape::visible;
use crate::palette;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Nothing is loaded, nothing is sent; the page's own style and script are in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page without its contents: it opens from disk and needs no network and no library.
#[derive(Default)]
pub(crate) struct Shell<'a> {
    /// What the browser's tab says, as it is.
    pub(crate) title: &'a str,
    /// What kind of page it is.
    pub(crate) brand: &'a str,
    /// What it is about, as it is; in the bar beside the brand.
    pub(crate) about: &'a str,
    /// The page's own style, after that of all pages.
    pub(crate) style: &'a [&'a str],
    /// The page's own script, after that of all pages.
    pub(crate) script: &'a str,
    /// What the script reads: the element's id, and JSON that is safe in one.
    pub(crate) data: Option<(&'a str, &'a str)>,
    /// What else stands in the head.
    pub(crate) head: Markup,
    /// Further buttons of the bar.
    pub(crate) buttons: Markup,
}

impl Shell<'_> {
    /// The page around its `main` element.
    pub(crate) fn around(&self, main: &Markup) -> String {
        let style = [&palette::definitions(), STYLE, &self.style.concat()].concat();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="color-scheme" content="light dark";
                    title { (visible(self.title)) }
                    style { (PreEscaped(style)) }
                    (self.head)
                }
                body {
                    header.bar {
                        b.brand { (visible(self.brand)) }
                        small.mono { (visible(self.about)) }
                        span.grow {}
                        (self.buttons)
                        button.quiet #theme type="button" { "Dark" }
                    }
                    (main)
                    div #tooltip role="tooltip" hidden {}
                    div.unseen #announce aria-live="polite" {}
                    @if let Some((id, json)) = self.data {
                        script type="application/json" id=(id) { (PreEscaped(json)) }
                    }
                    script { (PreEscaped(SCRIPT_BEGINS)) (PreEscaped(self.script)) }
                }
            }
        };
        page.into_string()
    }
}

/// Warnings, before everything else.
pub(crate) fn warnings(all: &[String]) -> Markup {
    html! {
        @for warning in all {
            p.warning role="alert" { strong { "Look out." } " " (visible(warning)) }
        }
    }
}
