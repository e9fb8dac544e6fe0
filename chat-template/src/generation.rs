//! `{% generation %}`: marks what the model has said, for training. Jinja does not know it.

/// The template with `{% generation %}` … `{% endgeneration %}` replaced by `{% with %}` … `{% endwith %}`: what is between is printed, and what
/// is set there stays there. The marks of whitespace control and the lines stay as they are.
pub(crate) fn replace(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        // Looked for behind the opening, whose percent sign does not close a tag as well: `{%}`.
        let Some(inner) = tag[2..].find("%}") else {
            text.push_str(tag);
            return text;
        };
        let (tag, after) = tag.split_at(2 + inner + 2);
        let name = tag[2..2 + inner].trim_matches(['-', '+']).trim();
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

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn a_tag_is_replaced_and_its_white_space_stays() {
        let source = "a{%- generation -%}b{% endgeneration %}c{% if x %}";
        assert_eq!(replace(source), "a{%- with -%}b{% endwith %}c{% if x %}");
    }

    /// The percent sign of the opening does not close it.
    #[test]
    fn a_tag_that_is_cut_short_stays_as_it_is() {
        for source in ["{%}", "{%", "{%}}{{ x }}", "{%}%}", "{%%}"] {
            assert_eq!(replace(source), source);
        }
    }
}
