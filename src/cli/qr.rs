//! A QR code of text, in half blocks.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, without which scanners do not find it.
const QUIET: usize = 4;

/// Lines of a code that holds `text`, two rows of modules in each; dark is ink. `None` for a text that
/// no code can hold.
pub fn draw(text: &[u8]) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.into_colors();
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && colors.get((y - QUIET) * width + x - QUIET) == Some(&Color::Dark)
    };
    let side = width + 2 * QUIET;
    let line = |y: usize| {
        let module = |x: usize| match (dark(x, y), dark(x, y + 1)) {
            (true, true) => '\u{2588}',
            (true, false) => '\u{2580}',
            (false, true) => '\u{2584}',
            (false, false) => ' ',
        };
        (0..side).map(module).collect()
    };
    Some((0..side).step_by(2).map(line).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_scanner_reads_the_drawing() {
        const MODULE: usize = 4;
        let key = crate::seal::Identity::generate().to_secret().unwrap();
        let lines: Vec<Vec<char>> =
            draw(key.expose().as_bytes()).unwrap().iter().map(|line| line.chars().collect()).collect();
        let ink = |x: usize, y: usize| match lines[y / 2][x] {
            '\u{2588}' => true,
            '\u{2580}' => y.is_multiple_of(2),
            '\u{2584}' => !y.is_multiple_of(2),
            _ => false,
        };
        let (wide, high) = (lines[0].len(), lines.len() * 2);
        let pixel = |x: usize, y: usize| if ink(x / MODULE, y / MODULE) { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(wide * MODULE, high * MODULE, pixel);
        let (_, text) = image.detect_grids()[0].decode().unwrap();
        assert_eq!(text, key.expose());
    }
}
