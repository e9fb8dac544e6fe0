//! `{% generation %}`: marks what the model has said, for training. Jinja does not know it.

/// The template with `{% generation %}` … `{% endgeneration %}` replaced by `{% with %}` … `{% endwith %}`: what is between is printed, and what
/// is set there stays there. The marks of whitespace control and the lines stay as they are.
pub(crate) fn replace(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let Some(end) = tag.find("%}") else {
            text.push_str(tag);
            return text;
        };
        let (tag, after) = tag.split_at(end + 2);
        let name = tag[2..end].trim_matches(['-', '+']).trim();
        match name {
            "generation" => text.push_str(&tag.replacen(name, "with", 1)),
            "endgeneration" => text.push_str(&tag.replacen(name, "endwith", 1)),
            _ => text.push_str(tag),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}
