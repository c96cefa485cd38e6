//! Table, JSON, SVG and HTML.

pub(crate) mod chart;
pub(crate) mod html;
pub(crate) mod model;
pub(crate) mod table;
