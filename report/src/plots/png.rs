//! Plots as PNG.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};
use std::sync::Arc;

/// Pixels per unit of the plot.
const SCALE: f32 = 2.0;

/// Fonts for `sans-serif`: the first of them that is installed.
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

/// A plot that cannot become a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// A plot without its numbers would be worse than none.
    #[error(
        "no font is installed here, and the plots' numbers need one; install one (fonts-dejavu-core, for instance), or convert the files of \
         plots/*.svg elsewhere"
    )]
    NoFont,
    /// The library cannot read the plot.
    #[error("a plot cannot be read as SVG: {0}")]
    Svg(#[from] usvg::Error),
    /// The picture is too large.
    #[error("there is no room for a plot's pixels")]
    TooLarge,
    /// The library cannot write the picture.
    #[error("a plot cannot be written as PNG: {0}")]
    Encode(String),
}

/// Draws plots with the fonts of this machine.
#[derive(Debug)]
pub struct Renderer(usvg::Options<'static>);

impl Renderer {
    /// Finds the fonts.
    ///
    /// # Errors
    /// If there are none: a plot without its numbers would be worse than none.
    pub fn new() -> Result<Self, PngError> {
        let mut fonts = fontdb::Database::new();
        fonts.load_system_fonts();
        Self::with_fonts(fonts)
    }

    fn with_fonts(mut fonts: fontdb::Database) -> Result<Self, PngError> {
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
        let family = family.ok_or(PngError::NoFont)?;
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
    pub fn png(&self, svg: &str) -> Result<Vec<u8>, PngError> {
        let tree = usvg::Tree::from_str(svg, &self.0)?;
        let size = tree.size();
        let pixels = |length: f32| (length * SCALE).ceil() as u32;
        let mut pixmap =
            Pixmap::new(pixels(size.width()), pixels(size.height())).ok_or(PngError::TooLarge)?;
        resvg::render(
            &tree,
            Transform::from_scale(SCALE, SCALE),
            &mut pixmap.as_mut(),
        );
        pixmap
            .encode_png()
            .map_err(|error| PngError::Encode(error.to_string()))
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
