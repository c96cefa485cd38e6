//! Submission queue entries as text, and back, by the operation table.
//!
//! The row of the table that explains an entry best gives its name and
//! arguments; fields that the row does not explain follow by name. So the text
//! holds all of the entry, except `user_data` and the second half of a 128-byte
//! one, which the caller prints.

use anyring_abi as abi;
use anyring_spec::{Prep, Value, operations, rows};
use anyring_spec::{Set, prep::Field};

use crate::names;

/// An entry as bytes: every field is a place in it.
type Bytes = [u8; 64];

/// Raw fields: name, offset, size.
const FIELDS: &[(&str, usize, usize)] = &[
    ("flags", 1, 1),
    ("ioprio", 2, 2),
    ("fd", 4, 4),
    ("off", 8, 8),
    ("addr", 16, 8),
    ("len", 24, 4),
    ("op_flags", 28, 4),
    ("buf_index", 40, 2),
    ("personality", 42, 2),
    ("file_index", 44, 4),
    ("addr3", 48, 8),
    ("pad2", 56, 8),
];

/// The bytes of an entry.
#[must_use]
pub fn bytes(sqe: &abi::io_uring_sqe) -> Bytes {
    let mut to = [0; 64];
    let mut put = |at: usize, from: &[u8]| to[at..at + from.len()].copy_from_slice(from);
    put(0, &[sqe.opcode, sqe.flags]);
    put(2, &sqe.ioprio.to_ne_bytes());
    put(4, &sqe.fd.to_ne_bytes());
    put(8, &sqe.off.to_ne_bytes());
    put(16, &sqe.addr.to_ne_bytes());
    put(24, &sqe.len.to_ne_bytes());
    put(28, &sqe.op_flags.to_ne_bytes());
    put(32, &sqe.user_data.to_ne_bytes());
    put(40, &sqe.buf_index.to_ne_bytes());
    put(42, &sqe.personality.to_ne_bytes());
    put(44, &sqe.file_index.to_ne_bytes());
    put(48, &sqe.addr3.to_ne_bytes());
    put(56, &sqe.__pad2[0].to_ne_bytes());
    to
}

/// An entry of its bytes.
#[must_use]
pub fn entry(b: &Bytes) -> abi::io_uring_sqe {
    abi::io_uring_sqe {
        opcode: b[0],
        flags: b[1],
        ioprio: get(b, 2, 2) as u16,
        fd: get(b, 4, 4) as i32,
        off: get(b, 8, 8),
        addr: get(b, 16, 8),
        len: get(b, 24, 4) as u32,
        op_flags: get(b, 28, 4) as u32,
        user_data: get(b, 32, 8),
        buf_index: get(b, 40, 2) as u16,
        personality: get(b, 42, 2) as u16,
        file_index: get(b, 44, 4) as u32,
        addr3: get(b, 48, 8),
        __pad2: [get(b, 56, 8)],
    }
}

fn get(b: &Bytes, at: usize, size: usize) -> u64 {
    let mut word = [0; 8];
    if cfg!(target_endian = "little") {
        word[..size].copy_from_slice(&b[at..at + size]);
    } else {
        word[8 - size..].copy_from_slice(&b[at..at + size]);
    }
    u64::from_ne_bytes(word)
}

fn put(b: &mut Bytes, at: usize, size: usize, value: u64) {
    let word = value.to_ne_bytes();
    if cfg!(target_endian = "little") {
        b[at..at + size].copy_from_slice(&word[..size]);
    } else {
        b[at..at + size].copy_from_slice(&word[8 - size..]);
    }
}

fn constant(name: &str) -> u64 {
    match name.parse::<i64>() {
        Ok(number) => number as u64,
        Err(_) => names::value(name).unwrap_or_else(|| unreachable!("{name} has no value")),
    }
}

/// Size in bytes and signedness of a parameter.
fn kind(c_type: &str) -> (usize, bool) {
    match c_type {
        "int" | "idtype_t" => (4, true),
        "int64_t" | "loff_t" | "off_t" => (8, true),
        "unsigned int" | "__u32" | "uint32_t" | "mode_t" | "socklen_t" | "id_t" => (4, false),
        "__u16" => (2, false),
        _ => (8, false),
    }
}

fn narrowed(value: u64, c_type: &str) -> u64 {
    match kind(c_type) {
        (4, true) => value as i32 as i64 as u64,
        (4, false) => value as u32 as u64,
        (2, _) => value as u16 as u64,
        _ => value,
    }
}

fn type_of(row: &Prep, name: &str) -> &'static str {
    row.args
        .iter()
        .find(|arg| arg.name == name)
        .map_or("__u64", |arg| arg.c_type)
}

/// The entry that a row makes of arguments.
fn encode(row: &Prep, args: &[(&str, u64)], opcode: u8) -> Bytes {
    let mut b = [0; 64];
    b[0] = opcode;
    let arg = |name: &str| {
        args.iter()
            .find(|(known, _)| *known == name)
            .map_or(0, |(_, value)| narrowed(*value, type_of(row, name)))
    };
    for Set { field, value } in row.set {
        let (_, at, size) = field.place();
        let value = match *value {
            Value::Const(name) => constant(name),
            Value::Arg(name) => arg(name),
            Value::Unsigned(name) => arg(name) as u32 as u64,
            Value::ArgOr(name, bits) => arg(name) | constant(bits),
            Value::OrInto(bits) => get(&b, at, size) | constant(bits),
            Value::PlusOne(name) => (arg(name) as u32).wrapping_add(1).into(),
            Value::Target(name) => match arg(name) as u32 {
                abi::IORING_FILE_INDEX_ALLOC => abi::IORING_FILE_INDEX_ALLOC.into(),
                slot => slot.wrapping_add(1).into(),
            },
        };
        put(&mut b, at, size, value);
    }
    b
}

/// The arguments that a row would have been given for this entry.
fn arguments(row: &'static Prep, b: &Bytes) -> Vec<(&'static str, u64, Option<Field>)> {
    row.args
        .iter()
        .map(|arg| {
            let found = row.set.iter().find_map(|set| {
                let (_, at, size) = set.field.place();
                let held = get(b, at, size);
                let value = match set.value {
                    Value::Arg(name) | Value::Unsigned(name) if name == arg.name => {
                        // A wide parameter of a narrow field is what the field holds.
                        let signed = kind(arg.c_type).1 && size == 4;
                        if signed {
                            held as i32 as i64 as u64
                        } else {
                            held
                        }
                    }
                    Value::ArgOr(name, bits) if name == arg.name => held & !constant(bits),
                    Value::PlusOne(name) if name == arg.name => {
                        (held as u32).wrapping_sub(1).into()
                    }
                    Value::Target(name) if name == arg.name => match held as u32 {
                        abi::IORING_FILE_INDEX_ALLOC => abi::IORING_FILE_INDEX_ALLOC.into(),
                        slot => slot.wrapping_sub(1).into(),
                    },
                    _ => return None,
                };
                Some((narrowed(value, arg.c_type), set.field))
            });
            match found {
                Some((value, field)) => (arg.name, value, Some(field)),
                None => (arg.name, 0, None),
            }
        })
        .collect()
}

fn differences(one: &Bytes, other: &Bytes) -> usize {
    FIELDS
        .iter()
        .filter(|(_, at, size)| one[*at..*at + *size] != other[*at..*at + *size])
        .count()
}

/// The row that explains an entry best: with the fewest fields left over, then
/// the one named as the operation, then the one with the fewest arguments.
fn explain(b: &Bytes) -> Option<&'static Prep> {
    let opcode = name_of(b[0])?;
    rows()
        .map(|(_, row)| row)
        .filter(|row| row.opcode() == Some(opcode))
        .min_by_key(|row| {
            let args: Vec<_> = arguments(row, b).iter().map(|(n, v, _)| (*n, *v)).collect();
            let alias = row.name.trim_start_matches("prep_") != operation(b[0]);
            (
                differences(&encode(row, &args, b[0]), b),
                alias,
                row.args.len(),
            )
        })
}

fn name_of(opcode: u8) -> Option<&'static str> {
    operations()
        .find(|op| op.value == u64::from(opcode))
        .map(|op| op.name)
}

/// The name of an operation in lower case (`recv`), or `op200` for one that the
/// table does not have.
#[must_use]
pub fn operation(opcode: u8) -> String {
    match name_of(opcode) {
        Some(name) => name.trim_start_matches("IORING_OP_").to_lowercase(),
        None => format!("op{opcode}"),
    }
}

fn plain(value: u64, c_type: &str) -> String {
    if c_type.contains('*') {
        return if value == 0 {
            "NULL".into()
        } else {
            format!("{value:#x}")
        };
    }
    match kind(c_type) {
        (_, true) => (value as i64).to_string(),
        _ if c_type == "mode_t" => format!("0{value:o}"),
        _ if c_type == "__u64" && value == u64::MAX => "-1".into(),
        _ => value.to_string(),
    }
}

/// What stands in the place of a file descriptor: given the descriptor and whether
/// it is a slot of the registered files.
pub type NameFile<'a> = &'a dyn Fn(i32, bool) -> String;

/// An entry as text, as `recv(9, 0x7f00, 4096, 0)`.
#[must_use]
pub fn text(sqe: &abi::io_uring_sqe) -> String {
    text_with(sqe, &|fd, _| fd.to_string())
}

/// [`text`] with files named.
#[must_use]
pub fn text_with(sqe: &abi::io_uring_sqe, file: NameFile<'_>) -> String {
    let b = bytes(sqe);
    let opcode = u32::from(sqe.opcode);
    let mut left = [0; 64];
    left[0] = sqe.opcode;
    let mut line = match explain(&b) {
        Some(row) => {
            let args = arguments(row, &b);
            let given: Vec<_> = args.iter().map(|(n, v, _)| (*n, *v)).collect();
            left = encode(row, &given, sqe.opcode);
            let shown: Vec<String> = args
                .iter()
                .map(|(name, value, field)| argument(row, name, *value, *field, sqe, file))
                .collect();
            format!(
                "{}({})",
                row.name.trim_start_matches("prep_"),
                shown.join(", ")
            )
        }
        None => format!("{}()", operation(sqe.opcode)),
    };
    for (name, at, size) in FIELDS {
        let held = get(&b, *at, *size);
        if held != get(&left, *at, *size) {
            let known = names::of_field(name, opcode);
            let value = match *name {
                "fd" => (held as i32).to_string(),
                _ if known.is_empty() => format!("{held:#x}"),
                _ => names::flags(held, &known),
            };
            line.push_str(&format!(" {name}={value}"));
        }
    }
    line
}

fn argument(
    row: &Prep,
    name: &str,
    value: u64,
    field: Option<Field>,
    sqe: &abi::io_uring_sqe,
    file: NameFile<'_>,
) -> String {
    let c_type = type_of(row, name);
    let Some(field) = field else {
        return plain(value, c_type);
    };
    let names_file = matches!(
        name,
        "fd" | "sockfd" | "fd_in" | "dfd" | "olddfd" | "newdfd" | "epfd"
    );
    if names_file && c_type == "int" {
        let fd = value as i32;
        if fd == libc::AT_FDCWD {
            return "AT_FDCWD".into();
        }
        return file(
            fd,
            field == Field::Fd && u32::from(sqe.flags) & abi::IOSQE_FIXED_FILE != 0,
        );
    }
    let place = field.place().0;
    let flags = match field {
        Field::OpFlags(_) | Field::Ioprio => true,
        Field::Len => name.contains("flags"),
        _ => false,
    };
    let known = names::of_field(place, sqe.opcode.into());
    if flags && !known.is_empty() {
        return names::flags(narrowed(value, "unsigned int"), &known);
    }
    plain(value, c_type)
}

/// Reads [`text`] back; `user_data` is 0.
///
/// # Errors
/// Words that say what is not understood.
pub fn parse(line: &str) -> Result<abi::io_uring_sqe, String> {
    let (name, rest) = line.split_once('(').ok_or("no parenthesis")?;
    let (inside, extras) = rest.split_once(')').ok_or("no closing parenthesis")?;
    let opcode = |text: &str| {
        operations()
            .find(|op| {
                op.name
                    .trim_start_matches("IORING_OP_")
                    .eq_ignore_ascii_case(text)
            })
            .map(|op| op.value as u8)
            .or_else(|| text.strip_prefix("op")?.parse().ok())
    };
    let row = rows()
        .map(|(_, row)| row)
        .find(|row| row.opcode().is_some() && row.name.trim_start_matches("prep_") == name);
    let mut b = match row {
        Some(row) => {
            let words: Vec<&str> = inside.split(", ").filter(|word| !word.is_empty()).collect();
            if words.len() != row.args.len() {
                return Err(format!("{name} has {} arguments", row.args.len()));
            }
            let mut args = Vec::new();
            for (arg, word) in row.args.iter().zip(words) {
                args.push((arg.name, number(word)?));
            }
            let op = row.opcode().map_or(0, constant);
            encode(row, &args, op as u8)
        }
        None => {
            let mut b = [0; 64];
            b[0] = opcode(name).ok_or_else(|| format!("{name} is no operation"))?;
            b
        }
    };
    for word in extras.split_whitespace() {
        let (field, value) = word
            .split_once('=')
            .ok_or_else(|| format!("{word} is no field"))?;
        let (_, at, size) = FIELDS
            .iter()
            .find(|(known, ..)| *known == field)
            .ok_or_else(|| format!("{field} is no field"))?;
        put(&mut b, *at, *size, number(value)?);
    }
    Ok(entry(&b))
}

fn number(word: &str) -> Result<u64, String> {
    let mut all = 0;
    for part in word.split('|') {
        all |= if part == "NULL" {
            0
        } else if let Some(hex) = part.strip_prefix("0x") {
            u64::from_str_radix(hex, 16).map_err(|_| format!("{part} is no number"))?
        } else if let Some(octal) = part.strip_prefix('0').filter(|rest| !rest.is_empty()) {
            u64::from_str_radix(octal, 8).map_err(|_| format!("{part} is no number"))?
        } else if let Ok(number) = part.parse::<u64>() {
            number
        } else if let Ok(number) = part.parse::<i64>() {
            number as u64
        } else {
            names::value(part).ok_or_else(|| format!("{part} is no name of a flag"))?
        };
    }
    Ok(all)
}
