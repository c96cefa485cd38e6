//! The Rust prep functions, one file a family.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyring_abi::{Constant, Form, GROUPS};
use anyring_spec::{Field, Prep, Set, Value, operations, rows};

use crate::{Output, banner, rustfmt};

/// A constant of the interface and the form it has in C.
pub(crate) fn constant(name: &str) -> Option<(&'static Constant, Form)> {
    GROUPS.iter().find_map(|group| {
        group
            .constants
            .iter()
            .find(|constant| constant.name == name)
            .map(|constant| (constant, group.form))
    })
}

/// The Rust type of a C parameter type.
pub(crate) fn rust_type(c_type: &str) -> Result<String, String> {
    let simple = match c_type {
        "int" => "c_int",
        "unsigned int" => "c_uint",
        "unsigned short" => "c_ushort",
        "__u16" => "u16",
        "__u32" | "uint32_t" => "u32",
        "__u64" | "uint64_t" => "u64",
        "int64_t" | "loff_t" => "i64",
        "off_t" => "off_t",
        "size_t" => "usize",
        "mode_t" => "mode_t",
        "socklen_t" => "socklen_t",
        "id_t" => "id_t",
        "idtype_t" => "idtype_t",
        _ => {
            let Some(target) = c_type.strip_suffix(" *") else {
                return Err(format!("no Rust type for {c_type}"));
            };
            let (pointer, target) = match target.strip_prefix("const ") {
                Some(target) => ("*const", target),
                None => ("*mut", target),
            };
            let target = match target {
                "void" => "c_void",
                "char" => "c_char",
                "int" => "c_int",
                "uint32_t" => "u32",
                other => other.strip_prefix("struct ").unwrap_or(other),
            };
            return Ok(format!("{pointer} {target}"));
        }
    };
    Ok(simple.to_owned())
}

/// Whether all arguments and fields of a row are used exactly once.
pub(crate) fn check(row: &Prep) -> Result<(), String> {
    for arg in row.args {
        let used = row.set.iter().any(|set| match set.value {
            Value::Arg(name)
            | Value::Unsigned(name)
            | Value::ArgOr(name, _)
            | Value::PlusOne(name)
            | Value::Target(name) => name == arg.name,
            Value::Const(_) | Value::OrInto(_) => false,
        });
        if !used {
            return Err(format!(
                "{}: no field takes the argument {}",
                row.name, arg.name
            ));
        }
    }
    let mut written = [false; 64];
    for set in row.set {
        let (name, offset, size) = set.field.place();
        for byte in &mut written[offset..offset + size] {
            if std::mem::replace(byte, true) {
                return Err(format!("{}: {name} is written twice", row.name));
            }
        }
    }
    Ok(())
}

fn number(name: &str, ty: &str) -> Result<String, String> {
    if name == "AT_FDCWD" {
        return Ok(format!("libc::AT_FDCWD as {ty}"));
    }
    if name.parse::<i64>().is_ok() {
        return Ok(name.to_owned());
    }
    if constant(name).is_some() || name.starts_with("BLOCK_URING_CMD_") {
        return Ok(format!("abi::{name} as {ty}"));
    }
    Err(format!("no constant {name}"))
}

fn statement(row: &Prep, set: &Set) -> Result<String, String> {
    let (field, ty) = match set.field {
        Field::Opcode => ("opcode", "u8"),
        Field::Flags => ("flags", "u8"),
        Field::Ioprio => ("ioprio", "u16"),
        Field::Fd => ("fd", "i32"),
        Field::Off => ("off", "u64"),
        Field::Addr | Field::Level | Field::Optname => ("addr", "u64"),
        Field::Len => ("len", "u32"),
        Field::OpFlags(_) => ("op_flags", "u32"),
        Field::UserData => ("user_data", "u64"),
        Field::BufIndex | Field::BufGroup => ("buf_index", "u16"),
        Field::Personality => ("personality", "u16"),
        Field::FileIndex | Field::SpliceFdIn | Field::Optlen | Field::AddrLen => {
            ("file_index", "u32")
        }
        Field::Addr3 | Field::Optval => ("addr3", "u64"),
        Field::Pad2 => ("__pad2[0]", "u64"),
    };
    // Parts of a wider field keep the rest of it.
    if let (Field::Level | Field::Optname | Field::AddrLen, Value::Arg(arg)) =
        (set.field, set.value)
    {
        return Ok(match set.field {
            Field::Level => format!("sqe.addr = sqe.addr >> 32 << 32 | {arg} as u32 as u64;"),
            Field::Optname => {
                format!("sqe.addr = sqe.addr & 0xffff_ffff | ({arg} as u64) << 32;")
            }
            _ => format!("sqe.file_index = sqe.file_index >> 16 << 16 | {arg} as u16 as u32;"),
        });
    }
    let cast = |arg: &str| -> Result<String, String> {
        let c_type = row
            .args
            .iter()
            .find(|known| known.name == arg)
            .map(|known| known.c_type)
            .ok_or_else(|| format!("{}: no argument {arg}", row.name))?;
        let own = rust_type(c_type)?;
        let arg = rust_name(arg);
        Ok(if own == ty {
            arg.to_owned()
        } else {
            format!("{arg} as {ty}")
        })
    };
    Ok(match set.value {
        Value::Const(name) => format!("sqe.{field} = {};", number(name, ty)?),
        Value::Arg(arg) => format!("sqe.{field} = {};", cast(arg)?),
        Value::Unsigned(arg) => format!("sqe.{field} = {arg} as u32 as {ty};"),
        Value::ArgOr(arg, bits) => {
            format!("sqe.{field} = {} | {};", cast(arg)?, number(bits, ty)?)
        }
        Value::OrInto(bits) => format!("sqe.{field} |= {};", number(bits, ty)?),
        Value::PlusOne(arg) => format!("sqe.{field} = ({}).wrapping_add(1);", cast(arg)?),
        Value::Target(arg) => format!("sqe.{field} = target_slot({});", cast(arg)?),
    })
}

/// A parameter name that is not a keyword of Rust.
fn rust_name(name: &str) -> &str {
    if name == "type" { "kind" } else { name }
}

/// Name and type of each argument in Rust.
pub(crate) fn parameters(row: &Prep) -> Result<Vec<(String, String)>, String> {
    row.args
        .iter()
        .map(|arg| Ok((rust_name(arg.name).to_owned(), rust_type(arg.c_type)?)))
        .collect()
}

/// What rustdoc says of a row.
pub(crate) fn doc(row: &Prep) -> String {
    let kernel = match row.kernel {
        (6, 19) => "newer than Linux 6.18".to_owned(),
        (major, minor) => format!("Linux {major}.{minor}"),
    };
    format!("{} Minimum kernel: {kernel}.", row.doc)
}

/// The operations as values of one type.
fn operation_names() -> String {
    let mut text = banner("//", "");
    text.push_str(
        "//! The operations by name.\n\nuse anyring_abi as abi;\n\n\
         /// An operation. Any number is one: kernels newer than this crate have more.\n\
         #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]\n\
         pub struct Op(pub u8);\n\n\
         #[allow(missing_docs, reason = \"the names of io_uring_enter(2)\")]\nimpl Op {\n",
    );
    let mut names = String::new();
    for operation in operations() {
        let name = operation.name.trim_start_matches("IORING_OP_");
        let camel: String = name
            .split('_')
            .flat_map(|word| {
                let (first, rest) = word.split_at(1);
                [first.to_owned(), rest.to_lowercase()]
            })
            .collect();
        let _ = writeln!(
            text,
            "    #[doc = {:?}]\n    #[allow(non_upper_case_globals, reason = \"reads as an enum\")]\n    pub const {camel}: Op = Op(abi::{} as u8);",
            operation.doc, operation.name
        );
        let _ = writeln!(names, "            Op::{camel} => Some({name:?}),");
    }
    let _ = write!(
        text,
        "\n    /// Its name as the kernel's headers have it, without the prefix.\n    #[must_use]\n\
             pub const fn name(self) -> Option<&'static str> {{\n        match self {{\n{names}            _ => None,\n        }}\n    }}\n}}\n\n\
         impl core::fmt::Debug for Op {{\n    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {{\n\
             match self.name() {{\n            Some(name) => f.write_str(name),\n            None => write!(f, \"Op({{}})\", self.0),\n        }}\n    }}\n}}\n",
    );
    text
}

/// The name in Rust: without what the module says already, and without underscores in
/// front. Those with another meaning under that name have none.
fn short_name(name: &str) -> Option<&str> {
    match name.strip_prefix("__") {
        Some(rest) if rest.starts_with("prep_") => None,
        Some(rest) => Some(rest),
        None => ["prep_", "sqe_"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix)),
    }
}

pub(crate) fn generate() -> Result<Vec<Output>, String> {
    let mut families: BTreeMap<&str, String> = BTreeMap::new();
    let mut short: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (family, row) in rows() {
        check(row)?;
        let mut arguments = String::new();
        for (name, ty) in parameters(row)? {
            let _ = write!(arguments, ", {name}: {ty}");
        }
        let mut body = String::new();
        for set in row.set {
            let line = statement(row, set)?;
            let _ = writeln!(body, "    {line}");
        }
        if short_name(row.name).is_some() {
            short.entry(family).or_default().push(row.name);
        }
        let text = families.entry(family).or_default();
        let _ = write!(
            text,
            "/// {}\n#[inline(always)]\npub fn {}(sqe: &mut io_uring_sqe{arguments}) {{\n{body}}}\n\n",
            doc(row),
            row.name
        );
    }
    let mut outputs = Vec::new();
    let mut index = banner("//", "");
    index.push_str(
        "//! Functions that write an SQE, one for each row of the operation table.\n\
         //!\n\
         //! They are safe: nothing reads through the pointers until the kernel does.\n\
         //! That these are valid until then is the contract of submitting.\n\
         #![allow(clippy::cast_lossless, clippy::unnecessary_cast, clippy::precedence, reason = \"generated\")]\n\n",
    );
    for family in families.keys() {
        let _ = writeln!(index, "mod {family};");
    }
    index.push_str("mod zero_copy;\n\n");
    index.push_str(
        "// The names of the C interface, for the crates that are generated from the same\n\
         // table, and for programs that come from C.\n",
    );
    for family in families.keys() {
        let _ = writeln!(index, "#[doc(hidden)]\npub use {family}::*;");
    }
    index.push_str("\n// The names without the prefix: `prep::read(…)`.\n");
    for (family, names) in &short {
        let names: Vec<String> = names
            .iter()
            .filter_map(|name| short_name(name).map(|short| format!("{name} as {short}")))
            .collect();
        let _ = writeln!(index, "pub use {family}::{{{}}};", names.join(", "));
    }
    index.push_str("pub use zero_copy::recv_zc;\n");
    index.push_str(
        "\n/// The stored form of a file slot: one more, or \"choose a free one\".\n\
         #[inline(always)]\n\
         const fn target_slot(index: u32) -> u32 {\n\
             if index == anyring_abi::IORING_FILE_INDEX_ALLOC { index } else { index.wrapping_add(1) }\n\
         }\n",
    );
    outputs.push(("crates/anyring/src/prep/mod.rs".into(), rustfmt(&index)?));
    outputs.push((
        "crates/anyring/src/op.rs".into(),
        rustfmt(&operation_names())?,
    ));
    for (family, text) in families {
        let mut file = banner("//", "");
        file.push_str("#![allow(unused_imports, reason = \"one list for every family\")]\n\n");
        file.push_str(
            "use core::ffi::{c_char, c_int, c_uint, c_void};\n\n\
             use anyring_abi::{self as abi, __kernel_timespec, io_uring_sqe};\n\
             use libc::{epoll_event, id_t, idtype_t, iovec, mode_t, msghdr, off_t, open_how, siginfo_t, sockaddr, socklen_t, statx};\n\n\
             use super::target_slot;\n",
        );
        if text.contains("futex_waitv") {
            file.push_str("use super::futex_waitv;\n");
        }
        file.push('\n');
        file.push_str(&text);
        outputs.push((
            format!("crates/anyring/src/prep/{family}.rs").into(),
            rustfmt(&file)?,
        ));
    }
    outputs[0].1.push_str(
        "\n/// An entry of a futex_waitv(2) array; opaque here.\n\
         #[allow(non_camel_case_types, reason = \"the name in C\")]\n\
         pub type futex_waitv = core::ffi::c_void;\n",
    );
    Ok(outputs)
}

/// A test helper that calls any prep function by its C name.
pub(crate) fn dispatch() -> Result<Output, String> {
    let mut arms = String::new();
    for (_, row) in rows() {
        let mut arguments = String::new();
        for (name, ty) in parameters(row)? {
            let arg = row.args.iter().find(|arg| rust_name(arg.name) == name);
            let c_name = arg.map_or("", |arg| arg.name);
            let _ = if ty.starts_with('*') {
                write!(
                    arguments,
                    ", std::ptr::without_provenance_mut::<std::ffi::c_void>(arg(\"{c_name}\") as usize).cast()"
                )
            } else {
                write!(arguments, ", arg(\"{c_name}\") as _")
            };
        }
        let _ = writeln!(
            arms,
            "\"{}\" => prep::{}(sqe{arguments}),",
            row.c_name(),
            row.name
        );
    }
    let text = format!(
        "{}//! Prep functions by name.\n\n\
         use anyring::abi::io_uring_sqe;\n\
         use anyring::prep;\n\n\
         /// Calls a prep function; false if there is none of that name.\n\
         pub(crate) fn call(name: &str, sqe: &mut io_uring_sqe, arg: impl Fn(&str) -> u64) -> bool {{\n\
         match name {{ {arms} _ => return false }}\n true }}\n",
        banner("//", "")
    );
    Ok((
        "crates/anyring/tests/common/dispatch.rs".into(),
        rustfmt(&text)?,
    ))
}

#[cfg(test)]
mod tests {
    use anyring_spec::{Arg, Field, Node, Prep, Set, Value};

    use super::check;

    const ROW: Prep = Prep {
        name: "prep_test",
        doc: "",
        kernel: (5, 1),
        node: Node::Local,
        gnu_source: false,
        sqe_position: 0,
        args: &[Arg {
            name: "fd",
            c_type: "int",
        }],
        set: &[Set {
            field: Field::Fd,
            value: Value::Arg("fd"),
        }],
    };

    #[test]
    fn rows_of_the_table_are_complete() {
        for (_, row) in anyring_spec::rows() {
            assert_eq!(check(row), Ok(()));
        }
        assert_eq!(check(&ROW), Ok(()));
    }

    #[test]
    fn an_argument_that_no_field_takes_is_refused() {
        let row = Prep { set: &[], ..ROW };
        assert!(check(&row).is_err_and(|error| error.contains("no field takes")));
    }

    #[test]
    fn a_field_written_twice_is_refused() {
        let twice: &[Set] = &[
            Set {
                field: Field::Addr,
                value: Value::Const("0"),
            },
            Set {
                field: Field::Level,
                value: Value::Arg("fd"),
            },
        ];
        let row = Prep { set: twice, ..ROW };
        assert!(check(&row).is_err_and(|error| error.contains("written twice")));
    }
}
