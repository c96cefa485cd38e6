//! The operation table: one row for each function that writes an SQE.

use crate::Node;

mod fs;
mod net;
mod ring;
mod rw;
mod sqe;
mod wait;

/// A function that writes an SQE.
#[derive(Clone, Copy, Debug)]
pub struct Prep {
    /// Name without the `io_uring_` prefix; a leading `__` is kept.
    pub name: &'static str,
    /// What it asks for.
    pub doc: &'static str,
    /// First kernel with the operation, as (major, minor). 6.19 stands for
    /// "newer than 6.18".
    pub kernel: (u8, u8),
    /// Where the ffi library has its symbol.
    pub node: Node,
    /// Whether C needs `_GNU_SOURCE` for its prototype.
    pub gnu_source: bool,
    /// Position of the sqe among the C parameters.
    pub sqe_position: usize,
    /// The other parameters.
    pub args: &'static [Arg],
    /// What is written, in order.
    pub set: &'static [Set],
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Its type in C.
    pub c_type: &'static str,
}

/// One write to an SQE field.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// The field.
    pub field: Field,
    /// What is written.
    pub value: Value,
}

/// A field of the SQE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Byte 0.
    Opcode,
    /// Byte 1, `IOSQE_*`.
    Flags,
    /// Bytes 2 and 3.
    Ioprio,
    /// Bytes 4 to 7.
    Fd,
    /// Bytes 8 to 15.
    Off,
    /// Bytes 16 to 23.
    Addr,
    /// Bytes 16 to 19.
    Level,
    /// Bytes 20 to 23.
    Optname,
    /// Bytes 24 to 27.
    Len,
    /// Bytes 28 to 31, with the name this operation has for them.
    OpFlags(&'static str),
    /// Bytes 32 to 39.
    UserData,
    /// Bytes 40 and 41.
    BufIndex,
    /// Bytes 40 and 41, for buffer groups.
    BufGroup,
    /// Bytes 42 and 43.
    Personality,
    /// Bytes 44 to 47.
    FileIndex,
    /// Bytes 44 to 47, for splice.
    SpliceFdIn,
    /// Bytes 44 to 47, for socket options.
    Optlen,
    /// Bytes 44 and 45.
    AddrLen,
    /// Bytes 48 to 55.
    Addr3,
    /// Bytes 48 to 55, for socket options.
    Optval,
    /// Bytes 56 to 63.
    Pad2,
}

impl Field {
    /// Name in C, offset and size in bytes.
    #[must_use]
    pub const fn place(self) -> (&'static str, usize, usize) {
        match self {
            Field::Opcode => ("opcode", 0, 1),
            Field::Flags => ("flags", 1, 1),
            Field::Ioprio => ("ioprio", 2, 2),
            Field::Fd => ("fd", 4, 4),
            Field::Off => ("off", 8, 8),
            Field::Addr => ("addr", 16, 8),
            Field::Level => ("level", 16, 4),
            Field::Optname => ("optname", 20, 4),
            Field::Len => ("len", 24, 4),
            Field::OpFlags(name) => (name, 28, 4),
            Field::UserData => ("user_data", 32, 8),
            Field::BufIndex => ("buf_index", 40, 2),
            Field::BufGroup => ("buf_group", 40, 2),
            Field::Personality => ("personality", 42, 2),
            Field::FileIndex => ("file_index", 44, 4),
            Field::SpliceFdIn => ("splice_fd_in", 44, 4),
            Field::Optlen => ("optlen", 44, 4),
            Field::AddrLen => ("addr_len", 44, 2),
            Field::Addr3 => ("addr3", 48, 8),
            Field::Optval => ("optval", 48, 8),
            Field::Pad2 => ("__pad2[0]", 56, 8),
        }
    }
}

/// Where a value comes from. Narrower fields take the low bits; wider ones
/// are sign-extended from signed parameters, zero-extended from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number or the name of a constant.
    Const(&'static str),
    /// A parameter.
    Arg(&'static str),
    /// A signed 32-bit parameter, zero-extended.
    Unsigned(&'static str),
    /// A parameter with the bits of a constant added.
    ArgOr(&'static str, &'static str),
    /// The bits of a constant, added to what the field holds.
    OrInto(&'static str),
    /// A parameter plus one, modulo 2^32.
    PlusOne(&'static str),
    /// A file slot plus one; `IORING_FILE_INDEX_ALLOC` stays what it is.
    Target(&'static str),
}

const fn arg(name: &'static str, c_type: &'static str) -> Arg {
    Arg { name, c_type }
}

const fn set(field: Field, value: Value) -> Set {
    Set { field, value }
}

/// Every row, family by family.
pub fn rows() -> impl Iterator<Item = (&'static str, &'static Prep)> {
    let families: [(&str, &[Prep]); 6] = [
        ("sqe", sqe::ROWS),
        ("rw", rw::ROWS),
        ("net", net::ROWS),
        ("fs", fs::ROWS),
        ("wait", wait::ROWS),
        ("ring", ring::ROWS),
    ];
    families
        .into_iter()
        .flat_map(|(family, rows)| rows.iter().map(move |row| (family, row)))
}

/// The operations themselves: name in lower case, opcode and documentation, in
/// the order of the opcodes.
pub fn operations() -> impl Iterator<Item = &'static anyring_abi::Constant> {
    anyring_abi::GROUPS
        .iter()
        .filter(|group| group.form == anyring_abi::Form::Enum("io_uring_op"))
        .flat_map(|group| group.constants)
        .filter(|constant| constant.name != "IORING_OP_LAST")
}

impl Prep {
    /// The full name in C.
    pub fn c_name(&self) -> impl core::fmt::Display + use<'_> {
        struct Name<'a>(&'a str);
        impl core::fmt::Display for Name<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.0.strip_prefix("__") {
                    Some(rest) => write!(f, "__io_uring_{rest}"),
                    None => write!(f, "io_uring_{}", self.0),
                }
            }
        }
        Name(self.name)
    }

    /// The opcode constant this row writes, if it is fixed.
    #[must_use]
    pub fn opcode(&self) -> Option<&'static str> {
        self.set
            .iter()
            .find_map(|set| match (set.field, set.value) {
                (Field::Opcode, Value::Const(name)) => Some(name),
                _ => None,
            })
    }
}
