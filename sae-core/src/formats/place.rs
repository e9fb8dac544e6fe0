//! From names of modules and files to hooks.

/// Where a module's output is, by TransformerLens' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    Embed,
    Block(usize),
    Mlp(usize),
    Attention(usize),
}

impl Site {
    /// The site of `layers.5`, `model.layers.5.mlp`, `h.5`, `embed_tokens`; `None` for any other module.
    pub(super) fn of_module(name: &str) -> Option<Self> {
        let name = name
            .strip_prefix("model.")
            .or_else(|| name.strip_prefix("transformer."))
            .unwrap_or(name);
        if name == "embed_tokens" {
            return Some(Self::Embed);
        }
        let rest = ["layers.", "layers_", "h."]
            .iter()
            .find_map(|start| name.strip_prefix(start))?;
        let (layer, part) = rest.split_once('.').unwrap_or((rest, ""));
        let layer = layer.parse().ok()?;
        match part {
            "" => Some(Self::Block(layer)),
            "mlp" => Some(Self::Mlp(layer)),
            "self_attn" | "attn" => Some(Self::Attention(layer)),
            _ => None,
        }
    }

    /// The site of `dictionary_learning`'s `submodule_name`, such as `resid_post_layer_5`; without a name it is the block's output.
    pub(super) fn of_submodule(name: Option<&str>, layer: usize) -> Option<Self> {
        let Some(name) = name else {
            return Some(Self::Block(layer));
        };
        let part = name
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .trim_end_matches('_');
        match part.strip_suffix("_layer").unwrap_or(part) {
            "resid_post" | "resid" | "residual" => Some(Self::Block(layer)),
            "mlp_out" | "mlp" => Some(Self::Mlp(layer)),
            "attn_out" | "attn" | "attention_out" | "attention" => Some(Self::Attention(layer)),
            _ => None,
        }
    }

    /// The hook of its output.
    pub(super) fn output(self) -> String {
        match self {
            Self::Embed => "hook_embed".to_owned(),
            Self::Block(n) => format!("blocks.{n}.hook_resid_post"),
            Self::Mlp(n) => format!("blocks.{n}.hook_mlp_out"),
            Self::Attention(n) => format!("blocks.{n}.hook_attn_out"),
        }
    }

    /// The hook of its input: of a module, after the norm before it. TransformerLens 3 has these names.
    pub(super) fn input(self) -> Option<String> {
        match self {
            Self::Embed => None,
            Self::Block(n) => Some(format!("blocks.{n}.hook_resid_pre")),
            Self::Mlp(n) => Some(format!("blocks.{n}.mlp.hook_in")),
            Self::Attention(n) => Some(format!("blocks.{n}.attn.hook_in")),
        }
    }
}

/// The hook of `dictionary_learning`'s `submodule_name` in a layer.
pub(crate) fn hook_of_submodule(name: Option<&str>, layer: usize) -> Option<String> {
    Site::of_submodule(name, layer).map(Site::output)
}

/// The layer in a name such as `Llama-3.1-8B-Instruct-SAE-l19.pth`: the number after the last `-l` or `layer_`.
pub(super) fn layer_in(name: &str) -> Option<usize> {
    let after = |mark: &str| {
        let (_, rest) = name.rsplit_once(mark)?;
        let n: String = rest.chars().take_while(char::is_ascii_digit).collect();
        n.parse().ok()
    };
    after("-l").or_else(|| after("layer_"))
}

#[cfg(test)]
mod tests {
    use super::{Site, layer_in};

    #[test]
    fn modules_have_hooks() {
        let hook = |name| Site::of_module(name).map(Site::output);
        assert_eq!(hook("layers.5").unwrap(), "blocks.5.hook_resid_post");
        assert_eq!(hook("model.layers.5.mlp").unwrap(), "blocks.5.hook_mlp_out");
        assert_eq!(
            hook("layers.11.self_attn").unwrap(),
            "blocks.11.hook_attn_out"
        );
        assert_eq!(hook("h.3").unwrap(), "blocks.3.hook_resid_post");
        assert_eq!(hook("embed_tokens").unwrap(), "hook_embed");
        for other in ["layers.x", "layers.5.mlp.act_fn", "sae", "layers.", ""] {
            assert_eq!(hook(other), None, "{other}");
        }
    }

    #[test]
    fn submodules_have_hooks() {
        let hook = |name| Site::of_submodule(Some(name), 7).map(Site::output);
        assert_eq!(
            hook("resid_post_layer_7").unwrap(),
            "blocks.7.hook_resid_post"
        );
        assert_eq!(hook("mlp_out_layer_7").unwrap(), "blocks.7.hook_mlp_out");
        assert_eq!(hook("attn_out_layer_7").unwrap(), "blocks.7.hook_attn_out");
        assert_eq!(hook("router_7"), None);
        assert_eq!(Site::of_submodule(None, 2), Some(Site::Block(2)));
    }

    #[test]
    fn layers_are_found_in_names() {
        assert_eq!(layer_in("Llama-3.1-8B-Instruct-SAE-l19.pth"), Some(19));
        assert_eq!(layer_in("layer_20"), Some(20));
        assert_eq!(layer_in("sae.pt"), None);
    }
}
