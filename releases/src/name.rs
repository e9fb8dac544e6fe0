//! Names, and where they lead.

use crate::table::{PublishedSae, Release, releases};
use std::fmt::Write;

/// Names that a message lists.
const LISTED: usize = 8;

/// An SAE and the release it is of.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Named {
    /// The release.
    pub release: &'static Release,
    /// The SAE.
    pub sae: &'static PublishedSae,
}

impl Named {
    /// `release/sae_id`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.release.name, self.sae.id)
    }
}

/// A name of a release with an SAE that it does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The release has no such SAE.
    #[error("the release {release} has no SAE {id}; {has}")]
    NoSae {
        /// The release.
        release: &'static str,
        /// What was asked for.
        id: String,
        /// Some that it has, the nearest first.
        has: String,
    },
}

/// The SAE of a name `release/sae_id`; `None` if no release is called so.
///
/// # Errors
/// If there is the release, and not the SAE.
pub fn find(name: &str) -> Result<Option<Named>, NameError> {
    let Some((release, id)) = split(name) else {
        return Ok(None);
    };
    let found = release.saes.iter().find(|sae| sae.id == id);
    let sae = found.ok_or_else(|| no_sae(release, id))?;
    Ok(Some(Named { release, sae }))
}

/// The SAEs of a pattern `release/sae_id`, in which a `*` stands for anything in the second part; none if no release is called so.
///
/// # Errors
/// If there is the release, and no SAE that fits.
pub fn matching(pattern: &str) -> Result<Vec<Named>, NameError> {
    let Some((release, id)) = split(pattern) else {
        return Ok(Vec::new());
    };
    let saes = release.saes.iter().filter(|sae| fits(id, &sae.id));
    let found: Vec<Named> = saes.map(|sae| Named { release, sae }).collect();
    if found.is_empty() {
        return Err(no_sae(release, id));
    }
    Ok(found)
}

fn split(name: &str) -> Option<(&'static Release, &str)> {
    let (release, id) = name.split_once('/')?;
    let release = releases().iter().find(|found| found.name == release)?;
    Some((release, id))
}

/// Whether a text is of a pattern with `*`.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn no_sae(release: &'static Release, id: &str) -> NameError {
    let mut near: Vec<&str> = release.saes.iter().map(|sae| sae.id.as_str()).collect();
    // Those of the same layer first, then those that begin alike.
    let alike = |other: &str| {
        other
            .chars()
            .zip(id.chars())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let layer = number(id);
    near.sort_by_key(|other| {
        let same_layer = layer.is_some() && number(other) == layer;
        (!same_layer, std::cmp::Reverse(alike(other)))
    });
    let mut has = format!("it has {}", near[..near.len().min(LISTED)].join(", "));
    if near.len() > LISTED {
        let _ = write!(has, " and {} more", near.len() - LISTED);
    }
    NameError::NoSae {
        release: &release.name,
        id: id.to_owned(),
        has,
    }
}

/// The first number in a name.
fn number(name: &str) -> Option<u32> {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{find, fits, matching};
    use crate::releases;
    use proptest::prelude::*;

    #[test]
    fn every_name_leads_to_its_own_sae() {
        for release in releases() {
            for sae in &release.saes {
                let name = format!("{}/{}", release.name, sae.id);
                let found = find(&name).unwrap().unwrap();
                assert_eq!((found.release, found.sae), (release, sae));
                assert_eq!(found.name(), name);
                assert_eq!(matching(&name).unwrap(), [found]);
            }
            let all = matching(&format!("{}/*", release.name)).unwrap();
            assert_eq!(all.len(), release.saes.len());
        }
    }

    #[test]
    fn an_sae_that_is_not_there_is_told_from_a_repository() {
        assert_eq!(find("fnlp/Llama3_1-8B-Base-LXR-8x").unwrap(), None);
        assert_eq!(find("no-slash").unwrap(), None);
        let error = find("llama_scope_lxr_8x/l15m_8x").unwrap_err().to_string();
        assert!(
            error
                .starts_with("the release llama_scope_lxr_8x has no SAE l15m_8x; it has l15r_8x, "),
            "{error}"
        );
        assert!(error.ends_with(" and 24 more"), "{error}");
        assert!(matching("llama_scope_lxr_8x/x*").is_err());
        let tens = matching("llama_scope_lxr_8x/l1*r_8x").unwrap();
        assert_eq!(tens.len(), 11);
    }

    proptest! {
        #[test]
        fn stars_stand_for_anything(parts in prop::collection::vec("[ab]{0,3}", 1..4), between in prop::collection::vec("[abc]{0,3}", 3)) {
            let mut text = parts[0].clone();
            for (part, between) in parts[1..].iter().zip(&between) {
                text += between;
                text += part;
            }
            prop_assert!(fits(&parts.join("*"), &text));
            let foreign = format!("{}*d*", parts[0]);
            prop_assert!(!fits(&foreign, &text));
            prop_assert_eq!(fits(&parts[0], &text), text == parts[0]);
        }
    }
}
