//! Plans for people and programs.

use super::Plan;
use llama_hooked::Placement;
use sae_backend::format_bytes;
use serde::Serializer;

impl Plan {
    /// The plan as a table, one line a part.
    pub fn text(&self) -> String {
        let mut text = format!(
            "Memory plan, within {} ({})\n",
            format_bytes(self.limit_bytes),
            self.limit_from
        );
        for part in &self.parts {
            let remark = match (part.name, self.placement) {
                ("weights", Placement::Resident) => "  all on the device".to_owned(),
                ("weights", Placement::Streamed) => {
                    "  streamed: one block at work, one on its way".to_owned()
                }
                ("activations", _) => format!(
                    "  {} rows of {} tokens in a batch, {} in a block at once",
                    self.batch_size, self.context_size, self.rows_at_once
                ),
                ("logits", _) => "  a piece at a time".to_owned(),
                _ => String::new(),
            };
            let size = format_bytes(part.bytes);
            text.push_str(&format!("  {:12} {size:>12}{remark}\n", part.name));
        }
        let total = format_bytes(self.total_bytes);
        text.push_str(&format!("  {:12} {total:>12}\n", "together"));
        match self.sae_groups.as_slice() {
            [] => {}
            [all] => text.push_str(&format!("  {all} SAEs at once: the model runs once\n")),
            groups => {
                let sizes: Vec<_> = groups.iter().map(usize::to_string).collect();
                text.push_str(&format!(
                    "  {} SAEs, {} at a time: the model runs {} times; the parts are those of the largest group\n",
                    groups.iter().sum::<usize>(),
                    sizes.join(" + "),
                    groups.len()
                ));
            }
        }
        text
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn placement<S: Serializer>(placement: &Placement, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match placement {
        Placement::Resident => "resident",
        Placement::Streamed => "streamed",
    })
}
