//! Text that stays text.

/// Text for element content and quoted attributes; marks that would turn the direction of what follows are shown, not obeyed.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push_str(&format!("U+{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// A token: as [`escape`], with whitespace and control characters made visible.
pub(crate) fn escape_token(token: &str) -> String {
    let mut visible = String::new();
    for c in token.chars() {
        match c {
            ' ' => visible.push('·'),
            '\n' => visible.push('↵'),
            '\t' => visible.push('→'),
            c if c.is_control() => visible.push_str(&format!("U+{:04X}", u32::from(c))),
            c => visible.push(c),
        }
    }
    escape(&visible)
}

/// JSON for a script element: nothing in it can end the element or open a comment.
pub(crate) fn json_for_script(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::{escape, escape_token, json_for_script};

    #[test]
    fn markup_is_shown_not_obeyed() {
        assert_eq!(
            escape("<b a='\"'>&</b>"),
            "&lt;b a=&#39;&quot;&#39;&gt;&amp;&lt;/b&gt;"
        );
        assert_eq!(escape_token(" a\n<\u{202e}\u{7}"), "·a↵&lt;U+202EU+0007");
        let json = json_for_script(r#"{"a":"</script><!--"}"#);
        assert!(!json.contains('<') && !json.contains('>'));
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["a"], "</script><!--");
    }
}
