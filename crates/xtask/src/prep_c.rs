//! The prep functions as inline C.

use std::fmt::Write as _;

use anyring_abi::Form;
use anyring_spec::{Field, Node, Prep, Set, Value, rows};

use crate::prep_rust::constant;

/// The C type a field has, for the cast.
fn field_type(field: Field) -> &'static str {
    match field {
        Field::Opcode | Field::Flags => "__u8",
        Field::Ioprio | Field::BufIndex | Field::BufGroup | Field::Personality | Field::AddrLen => {
            "__u16"
        }
        Field::Fd | Field::SpliceFdIn => "__s32",
        Field::OpFlags("rw_flags") => "__kernel_rwf_t",
        Field::Level
        | Field::Optname
        | Field::Len
        | Field::OpFlags(_)
        | Field::FileIndex
        | Field::Optlen => "__u32",
        Field::Off | Field::Addr | Field::UserData | Field::Addr3 | Field::Optval | Field::Pad2 => {
            "__u64"
        }
    }
}

fn is_signed(c_type: &str) -> bool {
    matches!(c_type, "int" | "int64_t" | "off_t" | "loff_t")
}

/// An argument in the type of a field.
fn argument(row: &Prep, name: &str, field: Field) -> Result<String, String> {
    let c_type = row
        .args
        .iter()
        .find(|arg| arg.name == name)
        .map(|arg| arg.c_type)
        .ok_or_else(|| format!("{}: no argument {name}", row.name))?;
    let ty = field_type(field);
    if c_type.ends_with('*') {
        return Ok(format!("uring_ptr_to_u64({name})"));
    }
    if c_type == ty
        || (c_type == "int" && ty == "__s32")
        || (c_type == "unsigned int" && ty == "__u32")
    {
        return Ok(name.to_owned());
    }
    // Signed values keep their sign when they widen.
    if is_signed(c_type) && ty == "__u64" {
        return Ok(format!("(__u64) (__s64) {name}"));
    }
    Ok(format!("({ty}) {name}"))
}

fn number(name: &str, field: Field) -> String {
    let ty = field_type(field);
    if name == "0" {
        return "0".to_owned();
    }
    match (name.parse::<i64>(), constant(name)) {
        (Ok(_), _) if ty == "__u32" || ty == "__s32" || ty == "__u64" => name.to_owned(),
        (_, Some((_, Form::Enum(_)))) | (Err(_), _) => format!("({ty}) {name}"),
        _ => format!("({ty}) {name}"),
    }
}

fn statement(row: &Prep, set: &Set) -> Result<String, String> {
    let (field, _, _) = set.field.place();
    let ty = field_type(set.field);
    let place = format!("sqe->{field}");
    let plus_one = |arg: &str| format!("{arg} + 1");
    Ok(match set.value {
        Value::Const(name) => format!("{place} = {};", number(name, set.field)),
        Value::Arg(arg) => format!("{place} = {};", argument(row, arg, set.field)?),
        Value::Unsigned(arg) => format!("{place} = (__u32) {arg};"),
        Value::ArgOr(arg, bits) => {
            let value = argument(row, arg, set.field)?;
            if ty == "__u16" {
                format!("{place} = (__u16) ({arg} | {bits});")
            } else {
                format!("{place} = {value} | {bits};")
            }
        }
        Value::OrInto(bits) => format!("{place} = ({ty}) ({place} | {bits});"),
        Value::PlusOne(arg) => format!("{place} = {};", plus_one(arg)),
        Value::Target(arg) => {
            let slot = argument(row, arg, set.field)?;
            format!(
                "{place} = {slot} == IORING_FILE_INDEX_ALLOC ?\n\t\tIORING_FILE_INDEX_ALLOC : {};",
                plus_one(&slot)
            )
        }
    })
}

/// A parameter as C declares it.
fn parameter(c_type: &str, name: &str) -> String {
    match c_type.strip_suffix(" *") {
        Some(target) => format!("{target} *{name}"),
        None => format!("{c_type} {name}"),
    }
}

/// One function.
pub(crate) fn function(row: &Prep) -> Result<String, String> {
    let mut parameters: Vec<String> = row
        .args
        .iter()
        .map(|arg| parameter(arg.c_type, arg.name))
        .collect();
    parameters.insert(row.sqe_position, "struct io_uring_sqe *sqe".to_owned());
    let linkage = match row.node {
        Node::Local => "_LOCAL_INLINE",
        Node::V(_) | Node::Archive => "IOURINGINLINE",
    };
    let mut text = String::new();
    if row.gnu_source {
        text.push_str("#ifdef _GNU_SOURCE\n");
    }
    let _ = writeln!(text, "/* {} */", comment(row));
    let head = format!("{linkage} void {}", row.c_name());
    let _ = writeln!(
        text,
        "{}\n\tLIBURING_NOEXCEPT\n{{",
        declaration(&head, &parameters)
    );
    for set in row.set {
        let _ = writeln!(text, "\t{}", statement(row, set)?);
    }
    text.push_str("}\n");
    if row.gnu_source {
        text.push_str("#endif\n");
    }
    Ok(text)
}

/// A function declarator within 80 columns.
pub(crate) fn declaration(head: &str, parameters: &[String]) -> String {
    let mut text = String::new();
    let mut line = format!("{head}(");
    for (position, parameter) in parameters.iter().enumerate() {
        let last = position + 1 == parameters.len();
        let piece = format!("{parameter}{}", if last { ")" } else { "," });
        if line.replace('\t', "        ").len() + piece.len() > 80 {
            let _ = writeln!(text, "{}", line.trim_end());
            line = "\t\t".to_owned();
        }
        line.push_str(&piece);
        if !last {
            line.push(' ');
        }
    }
    text.push_str(&line);
    text
}

fn comment(row: &Prep) -> String {
    let kernel = match row.kernel {
        (6, 19) => "Newer than Linux 6.18.".to_owned(),
        (major, minor) => format!("Linux {major}.{minor}."),
    };
    let text = format!("{} {kernel}", row.doc.replace('`', ""));
    // Comments stay within 80 columns.
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.len() + word.len() + 1 > 72 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n   ")
}

/// All functions of these families.
pub(crate) fn generate(wanted: &[&str]) -> Result<String, String> {
    let mut functions = Vec::new();
    for (family, row) in rows() {
        if wanted.contains(&family) {
            functions.push(function(row)?);
        }
    }
    Ok(functions.join("\n"))
}
