//! Colours and type.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours of the page around a chart.
#[derive(Clone, Copy)]
pub(crate) struct Theme {
    pub(crate) name: &'static str,
    pub(super) paper: RGBColor,
    pub(super) ink: RGBColor,
    pub(super) soft: RGBColor,
    pub(super) faint: RGBColor,
    lines: [RGBColor; 14],
}

/// Light paper.
pub(crate) const LIGHT: Theme = Theme {
    name: "light",
    paper: RGBColor(255, 255, 255),
    ink: RGBColor(36, 41, 47),
    soft: RGBColor(87, 96, 106),
    faint: RGBColor(225, 228, 232),
    lines: [
        RGBColor(87, 96, 106),
        RGBColor(191, 135, 0),
        RGBColor(9, 105, 218),
        RGBColor(26, 127, 55),
        RGBColor(130, 80, 223),
        RGBColor(207, 34, 46),
        RGBColor(84, 174, 255),
        RGBColor(74, 194, 107),
        RGBColor(219, 97, 162),
        RGBColor(153, 40, 110),
        RGBColor(188, 76, 0),
        RGBColor(27, 124, 131),
        RGBColor(154, 103, 0),
        RGBColor(95, 75, 139),
    ],
};

/// Dark paper.
pub(crate) const DARK: Theme = Theme {
    name: "dark",
    paper: RGBColor(22, 27, 34),
    ink: RGBColor(230, 237, 243),
    soft: RGBColor(139, 148, 158),
    faint: RGBColor(48, 54, 61),
    lines: [
        RGBColor(139, 148, 158),
        RGBColor(210, 153, 34),
        RGBColor(88, 166, 255),
        RGBColor(63, 185, 80),
        RGBColor(188, 140, 255),
        RGBColor(255, 123, 114),
        RGBColor(165, 214, 255),
        RGBColor(126, 231, 135),
        RGBColor(255, 155, 206),
        RGBColor(219, 97, 162),
        RGBColor(240, 136, 62),
        RGBColor(57, 197, 207),
        RGBColor(227, 179, 65),
        RGBColor(150, 130, 200),
    ],
};

/// Contenders in the order of their colours; those of one kind of work that
/// never meet those of another share them.
const ORDER: [&[&str]; 14] = [
    &["pread", "epoll", "null system call", "pwrite, fdatasync"],
    &["Linux AIO", "anyring, multishot + bundles"],
    &["anyring", "anyring, plain"],
    &["anyring, registered", "anyring, multishot"],
    &[
        "anyring, SQPOLL + registered",
        "anyring, multishot + zero copy",
    ],
    &["anyring, IOPOLL + registered"],
    &["anyring in C", "anyring in C, plain"],
    &["anyring in C, registered", "anyring in C, multishot"],
    &["liburing", "liburing, plain"],
    &["liburing, registered", "liburing, multishot"],
    &["io-uring crate", "io-uring crate, plain"],
    &["io-uring crate, registered", "io-uring crate, multishot"],
    &["userspace engine", "userspace engine, plain"],
    &["pread, 4 threads", "userspace engine, multishot"],
];

impl Theme {
    /// The colour of a contender, the same in all charts.
    pub(super) fn colour(&self, contender: &str) -> RGBColor {
        let place = ORDER.iter().position(|names| names.contains(&contender));
        self.lines[place.unwrap_or(0)]
    }

    /// Text of that size.
    pub(super) fn text(&self, size: u32) -> TextStyle<'static> {
        (FONT, size).into_font().color(&self.ink)
    }

    /// Text that ends, in the middle of its height, where it is put.
    pub(super) fn label(&self, size: u32) -> TextStyle<'static> {
        self.text(size).pos(Pos::new(HPos::Right, VPos::Center))
    }
}

const FONT: &str = "system-ui, sans-serif";
