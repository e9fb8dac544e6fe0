//! Plots as PNG.

use anyhow::{Context, Result, ensure};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};
use std::sync::Arc;

/// Pixels per unit of the plot.
const SCALE: f32 = 2.0;

/// What `sans-serif` is, the first of them that is installed.
const SANS: [&str; 8] = [
    "Helvetica Neue",
    "Helvetica",
    "Arial",
    "Liberation Sans",
    "DejaVu Sans",
    "Noto Sans",
    "Segoe UI",
    "Roboto",
];

/// Draws plots with the fonts of this machine.
pub(crate) struct Renderer(usvg::Options<'static>);

impl Renderer {
    /// Finds the fonts.
    ///
    /// # Errors
    /// If there are none: a plot without its numbers would be worse than none.
    pub(crate) fn new() -> Result<Self> {
        let mut fonts = fontdb::Database::new();
        fonts.load_system_fonts();
        Self::with_fonts(fonts)
    }

    fn with_fonts(mut fonts: fontdb::Database) -> Result<Self> {
        let families = || {
            fonts
                .faces()
                .flat_map(|face| face.families.iter().map(|(name, _)| name.clone()))
        };
        let known = SANS
            .into_iter()
            .find(|name| families().any(|family| family == *name))
            .map(str::to_owned);
        let any = fonts
            .faces()
            .find(|face| !face.monospaced)
            .or(fonts.faces().next());
        let any = any.and_then(|face| Some(face.families.first()?.0.clone()));
        let family = known.or(any);
        ensure!(
            family.is_some(),
            "--png: no font is installed here, and the plots' numbers need one; install one (fonts-dejavu-core, for instance), or leave --png \
             out and convert the files of plots/*.svg elsewhere"
        );
        let family = family.unwrap_or_default();
        fonts.set_sans_serif_family(&family);
        Ok(Self(usvg::Options {
            font_family: family,
            fontdb: Arc::new(fonts),
            ..usvg::Options::default()
        }))
    }

    /// A file's content, twice as wide in pixels as the plot in its units.
    ///
    /// # Errors
    /// If the plot cannot be drawn.
    pub(crate) fn png(&self, svg: &str) -> Result<Vec<u8>> {
        let tree = usvg::Tree::from_str(svg, &self.0).context("a plot cannot be read as SVG")?;
        let size = tree.size();
        let pixels = |length: f32| (length * SCALE).ceil() as u32;
        let mut pixmap = Pixmap::new(pixels(size.width()), pixels(size.height()))
            .context("there is no room for a plot's pixels")?;
        resvg::render(
            &tree,
            Transform::from_scale(SCALE, SCALE),
            &mut pixmap.as_mut(),
        );
        pixmap
            .encode_png()
            .context("a plot cannot be written as PNG")
    }
}

#[cfg(test)]
mod tests {
    use super::Renderer;
    use resvg::usvg::fontdb;

    #[test]
    fn without_fonts_there_is_no_picture() {
        let error = Renderer::with_fonts(fontdb::Database::new())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("no font is installed") && error.contains("plots/*.svg"));
    }
}
