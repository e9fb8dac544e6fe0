//! `--layers`: what `{layer}` in a path stands for.

use std::str::FromStr;

/// `--layers`: which layers, ascending as they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layers(pub(crate) Vec<usize>);

/// Layers that a model may have, so that a slip of the finger does not make millions of paths.
const MOST: usize = 1024;

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| -> Result<usize, String> {
            let number = text.trim().parse();
            let number = number.map_err(|_| format!("{text:?} is not a layer"))?;
            if number > MOST {
                return Err(format!("{number} is more layers than any model has"));
            }
            Ok(number)
        };
        let layers: Vec<usize> = if let Some((from, to)) = text.split_once("..") {
            (number(from)?..number(to)?).collect()
        } else {
            text.split(',').map(number).collect::<Result<_, _>>()?
        };
        if layers.is_empty() {
            return Err("there are no layers in it; 0..32 is 0 to 31".to_owned());
        }
        Ok(Self(layers))
    }
}

#[cfg(test)]
mod tests {
    use super::Layers;

    #[test]
    fn layers_are_ranges_and_lists() {
        let parse = |text: &str| text.parse::<Layers>().map(|layers| layers.0);
        assert_eq!(parse("2..5"), Ok(vec![2, 3, 4]));
        assert_eq!(parse("7, 3"), Ok(vec![7, 3]));
        assert!(parse("5..5").unwrap_err().contains("0..32 is 0 to 31"));
        assert!(parse("0..9999999").unwrap_err().contains("more layers"));
        assert!(parse("x").unwrap_err().contains("is not a layer"));
    }
}
