//! The points of the forward pass that can be watched and changed.

use std::cmp::Ordering;

/// A row of the table: the point's name after the `blocks.{i}.` prefix, if it has one, the rank of its tensor, and whether it is
/// opt-in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) rank: usize,
    pub(super) opt_in: bool,
    pub(super) make: Make,
}

/// How to get the point from its entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Make {
    Model(HookPoint),
    Block(fn(usize) -> HookPoint),
}

/// The one table of hook points: the enum, printing, parsing, ranks and order all come from it. Rows are in firing order.
macro_rules! hook_points {
    (
        before { $($before:ident $before_name:literal $before_rank:literal $before_when:ident $before_doc:literal;)* }
        block { $($block:ident $block_name:literal $block_rank:literal $block_when:ident $block_doc:literal;)* }
        after { $($after:ident $after_name:literal $after_rank:literal $after_when:ident $after_doc:literal;)* }
    ) => {
        /// A point of the forward pass, with TransformerLens' name and shape.
        ///
        /// The number is the block's. `b` batch, `p` position, `H` query heads, `KV` key/value heads, `d` the model's width, `dh` a head's,
        /// `m` the MLP's. Points marked *opt-in* change how the network is computed, at a cost but not in its result;
        /// [`PointFilter::all`](crate::PointFilter::all) leaves them out.
        ///
        /// `Display` writes TransformerLens' name and `FromStr` reads it; the order is the order of firing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum HookPoint {
            $(#[doc = concat!("`", $before_name, "` ", $before_doc)] $before,)*
            $(#[doc = concat!("`blocks.{i}.", $block_name, "` ", $block_doc)] $block(usize),)*
            $(#[doc = concat!("`", $after_name, "` ", $after_doc)] $after,)*
        }

        pub(super) const BEFORE: &[Entry] = &[$(Entry {
            name: $before_name, rank: $before_rank, opt_in: opt_in!($before_when), make: Make::Model(HookPoint::$before),
        }),*];
        pub(super) const BLOCK: &[Entry] = &[$(Entry {
            name: $block_name, rank: $block_rank, opt_in: opt_in!($block_when), make: Make::Block(HookPoint::$block),
        }),*];
        pub(super) const AFTER: &[Entry] = &[$(Entry {
            name: $after_name, rank: $after_rank, opt_in: opt_in!($after_when), make: Make::Model(HookPoint::$after),
        }),*];

        impl HookPoint {
            /// The block the point is in; `None` for those before the first and after the last.
            pub fn layer(self) -> Option<usize> {
                match self {
                    $(Self::$block(layer) => Some(layer),)*
                    _ => None,
                }
            }

            pub(super) fn entry(self) -> &'static Entry {
                // The discriminants run through the three tables in order.
                enum Index { $($before,)* $($block,)* $($after,)* }
                let index = match self {
                    $(Self::$before => Index::$before as usize,)*
                    $(Self::$block(_) => Index::$block as usize,)*
                    $(Self::$after => Index::$after as usize,)*
                };
                BEFORE.iter().chain(BLOCK).chain(AFTER).nth(index).expect("one entry per variant")
            }
        }
    };
}

macro_rules! opt_in {
    (always) => {
        false
    };
    (opt_in) => {
        true
    };
}

hook_points! {
    before {
        Embed "hook_embed" 3 always "`[b, p, d]`: the token embeddings.";
    }
    block {
        ResidPre "hook_resid_pre" 3 always "`[b, p, d]`: the residual stream entering the block.";
        AttnIn "hook_attn_in" 4 opt_in "`[b, p, H, d]`: the residual stream as each query head reads it. *Opt-in.* With grouped queries, a key/value head reads the mean over its group.";
        QInput "hook_q_input" 4 opt_in "`[b, p, H, d]`: the residual stream as each head's query reads it. *Opt-in.*";
        KInput "hook_k_input" 4 opt_in "`[b, p, KV, d]`: the residual stream as each head's key reads it. *Opt-in.*";
        VInput "hook_v_input" 4 opt_in "`[b, p, KV, d]`: the residual stream as each head's value reads it. *Opt-in.*";
        Ln1Scale "ln1.hook_scale" 3 always "`[b, p, 1]`, f32: √(mean x² + ε), which the attention's norm divides by.";
        Ln1Normalized "ln1.hook_normalized" 3 always "`[b, p, d]`, f32: x / scale, before the norm's weight.";
        Q "attn.hook_q" 4 always "`[b, p, H, dh]`: queries before RoPE.";
        K "attn.hook_k" 4 always "`[b, p, KV, dh]`: keys before RoPE.";
        V "attn.hook_v" 4 always "`[b, p, KV, dh]`: values.";
        RotQ "attn.hook_rot_q" 4 always "`[b, p, H, dh]`: queries after RoPE.";
        RotK "attn.hook_rot_k" 4 always "`[b, p, KV, dh]`: keys after RoPE.";
        AttnScores "attn.hook_attn_scores" 4 always "`[b, H, q, k]`: q·k/√dh, −∞ where the key is in the future.";
        Pattern "attn.hook_pattern" 4 always "`[b, H, q, k]`: softmax of the scores.";
        Z "attn.hook_z" 4 always "`[b, p, H, dh]`: the pattern's mean of the values.";
        Result "attn.hook_result" 4 opt_in "`[b, p, H, d]`: each head's share of the attention's output. *Opt-in.*";
        AttnOut "hook_attn_out" 3 always "`[b, p, d]`: what the attention adds to the residual stream.";
        ResidMid "hook_resid_mid" 3 always "`[b, p, d]`: the residual stream between attention and MLP.";
        MlpIn "hook_mlp_in" 3 opt_in "`[b, p, d]`: the residual stream as the MLP reads it. *Opt-in.*";
        Ln2Scale "ln2.hook_scale" 3 always "`[b, p, 1]`, f32: the divisor of the MLP's norm.";
        Ln2Normalized "ln2.hook_normalized" 3 always "`[b, p, d]`, f32: x / scale, before the norm's weight.";
        MlpInput "mlp.hook_in" 3 opt_in "`[b, p, d]`: what the MLP multiplies, after the norm's weight: the input of transcoders. *Opt-in*: only TransformerLens' bridge has it.";
        MlpPre "mlp.hook_pre" 3 always "`[b, p, m]`: the gate projection, before SiLU.";
        MlpPreLinear "mlp.hook_pre_linear" 3 always "`[b, p, m]`: the up projection.";
        MlpPost "mlp.hook_post" 3 always "`[b, p, m]`: silu(pre) · pre_linear.";
        MlpOut "hook_mlp_out" 3 always "`[b, p, d]`: what the MLP adds to the residual stream.";
        ResidPost "hook_resid_post" 3 always "`[b, p, d]`: the residual stream leaving the block.";
    }
    after {
        LnFinalScale "ln_final.hook_scale" 3 always "`[b, p, 1]`, f32: the divisor of the final norm.";
        LnFinalNormalized "ln_final.hook_normalized" 3 always "`[b, p, d]`, f32: x / scale, before the final norm's weight.";
        UnembedIn "unembed.hook_in" 3 always "`[b, p, d]`: the final norm's output, as the unembedding reads it.";
        UnembedOut "unembed.hook_out" 3 always "`[b, p, vocab]`: the logits, all of them at once. Losses follow from what a hook returns here.";
    }
}

impl HookPoint {
    /// The rank of the tensor here, 3 or 4; see the variants for the axes.
    pub fn rank(self) -> usize {
        self.entry().rank
    }

    /// Whether the point is one that TransformerLens switches on by a flag (`use_attn_in`, `use_split_qkv_input`, `use_hook_mlp_in`,
    /// `use_attn_result`), or that only its bridge has (`mlp.hook_in`). Here it exists as soon as a hook wants it, but is not among "all points".
    pub fn is_opt_in(self) -> bool {
        self.entry().opt_in
    }

    /// The axis of the tensor that counts positions: 1, or 2, the query's, for scores and pattern.
    pub fn position_axis(self) -> usize {
        match self {
            Self::AttnScores(_) | Self::Pattern(_) => 2,
            _ => 1,
        }
    }

    /// Every point of a model with `n_layers` blocks, opt-in ones included, in the order they fire.
    pub fn all(n_layers: usize) -> impl Iterator<Item = Self> {
        let blocks =
            (0..n_layers).flat_map(|layer| BLOCK.iter().map(move |entry| entry.point(layer)));
        let before = BEFORE.iter().map(|entry| entry.point(0));
        before
            .chain(blocks)
            .chain(AFTER.iter().map(|entry| entry.point(0)))
    }

    /// Stage, block, row of the table: ascending as the points fire.
    fn order(self) -> (usize, usize, usize) {
        let row = |table: &[Entry]| {
            table
                .iter()
                .position(|entry| entry.name == self.entry().name)
        };
        match (self.layer(), row(BEFORE), row(AFTER)) {
            (Some(layer), ..) => (1, layer, row(BLOCK).unwrap_or(0)),
            (None, Some(row), _) => (0, 0, row),
            (None, None, row) => (2, 0, row.unwrap_or(0)),
        }
    }
}

impl Entry {
    pub(super) fn point(&self, layer: usize) -> HookPoint {
        match self.make {
            Make::Model(point) => point,
            Make::Block(make) => make(layer),
        }
    }
}

impl Ord for HookPoint {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for HookPoint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
