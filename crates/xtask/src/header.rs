//! The public headers: templates filled from the tables.
//!
//! A line `@name@` or `@name argument ...@` of a template is replaced.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyring_abi::{Constant, Form, GROUPS, VERSION_MAJOR, VERSION_MINOR};

use crate::{Output, banner, bindings, prep_c};

/// A constant's value as C writes it.
fn value(constant: &Constant, form: Form) -> String {
    let text = constant.expression;
    let suffix = match form {
        Form::UInt => "U",
        Form::ULongLong => "ULL",
        Form::Enum(_) | Form::Int => "",
    };
    match constant.name {
        // These two are of the width of what they are used on; a cast would be
        // one of C in C++ programs.
        "IORING_CQE_F_TSTAMP_HW" => return "(1U << IORING_TIMESTAMP_HW_SHIFT)".into(),
        "IORING_ZCRX_AREA_MASK" => {
            return "(~((1ULL << IORING_ZCRX_AREA_SHIFT) - 1))".into();
        }
        "IORING_REGISTER_USE_REGISTERED_RING" => return "1U << 31".into(),
        _ => {}
    }
    if let Some(inverted) = text.strip_prefix('!') {
        return format!("(~{inverted}{suffix})");
    }
    if let Some((one, shift)) = text.split_once(" << ") {
        return format!("({one}{suffix} << {shift})");
    }
    if text.starts_with('-') {
        return format!("({text})");
    }
    if text.contains(" | ") || text.contains(" + ") {
        return format!("({text})");
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("{text}{suffix}");
    }
    text.to_owned()
}

fn doc(constant: &Constant) -> String {
    format!("/* {} */", constant.doc.replace('`', ""))
}

/// Enums and macros of one header.
fn constants(header: &str) -> String {
    let mut text = String::new();
    for group in GROUPS.iter().filter(|group| group.header == header) {
        let _ = writeln!(text, "\n/* {} */", group.doc.replace('`', ""));
        if let Form::Enum(tag) = group.form {
            let tag = if tag.is_empty() {
                String::new()
            } else {
                format!(" {tag}")
            };
            let _ = writeln!(text, "__extension__ enum{tag} {{");
            for constant in group.constants {
                let _ = writeln!(
                    text,
                    "\t{}\n\t{} = {},",
                    doc(constant),
                    constant.name,
                    value(constant, group.form)
                );
            }
            // C++11 and C99 allow the last comma; gnu89 with -pedantic not.
            text.truncate(text.len() - 2);
            text.push_str("\n};\n");
        } else {
            for constant in group.constants {
                let _ = writeln!(
                    text,
                    "{}\n#define {} {}",
                    doc(constant),
                    constant.name,
                    value(constant, group.form)
                );
            }
        }
    }
    text
}

/// The same as macros over whatever an older kernel header defined before.
fn overrides(header: &str) -> String {
    let mut text = String::new();
    for group in GROUPS.iter().filter(|group| group.header == header) {
        for constant in group.constants {
            let mut spelled = value(constant, group.form);
            if spelled.contains(" << ") && !spelled.starts_with('(') {
                spelled = format!("({spelled})");
            }
            let _ = writeln!(text, "#undef {0}\n#define {0} {spelled}", constant.name);
        }
    }
    text
}

/// Macros that move struct and enum tags out of the way of that header.
fn moved_tags(root: &Path, header: &str, structs: &[&str]) -> Result<String, String> {
    let mut text = String::new();
    let tags = GROUPS
        .iter()
        .filter(|group| group.header == header)
        .filter_map(|group| match group.form {
            Form::Enum(tag) if !tag.is_empty() => Some(tag),
            _ => None,
        });
    for name in structs {
        let _ = writeln!(text, "#define {name} liburing_{name}");
    }
    let _ = root;
    for tag in tags {
        let _ = writeln!(
            text,
            "#define {tag} liburing_{tag}\nenum {tag} {{ liburing_{tag}_ }};"
        );
    }
    Ok(text)
}

/// Puts a prototype that needs GNU types under its condition.
fn guard_gnu(prototypes: &str, name: &str) -> String {
    prototypes
        .split("\n\n")
        .map(|block| {
            if block.contains(&format!(" {name}(")) {
                format!("#ifdef _GNU_SOURCE\n{block}\n#endif")
            } else {
                block.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn fill(root: &Path, name: &str) -> Result<String, String> {
    let path = root.join("crates/xtask/templates").join(name);
    let template = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
    let mut text = banner("/*", " */");
    for line in template.lines() {
        let Some(directive) = line
            .strip_prefix('@')
            .and_then(|rest| rest.strip_suffix('@'))
        else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let words: Vec<&str> = directive.split_whitespace().collect();
        let filled = match words.as_slice() {
            ["constants", header] => constants(header),
            ["overrides", header] => overrides(header),
            ["moved_tags", header, structs @ ..] => moved_tags(root, header, structs)?,
            ["structs", structs @ ..] => bindings::structs(root, structs)?,
            ["prototypes"] => guard_gnu(&bindings::prototypes(root)?, "io_uring_register_iowq_aff"),
            ["prep", families @ ..] => prep_c::generate(families)?,
            ["version"] => format!(
                "#define IO_URING_VERSION_MAJOR {VERSION_MAJOR}\n#define IO_URING_VERSION_MINOR {VERSION_MINOR}"
            ),
            _ => return Err(format!("{name}: unknown directive {line}")),
        };
        text.push_str(filled.trim());
        text.push('\n');
    }
    Ok(text)
}

pub(crate) fn generate(root: &Path) -> Result<Vec<Output>, String> {
    [
        "liburing.h",
        "liburing/io_uring.h",
        "liburing/io_uring/query.h",
        "liburing/io_uring/bpf_filter.h",
        "liburing/barrier.h",
        "liburing/compat.h",
        "liburing/ext.h",
        "liburing/io_uring_version.h",
    ]
    .into_iter()
    .map(|name| Ok((Path::new("include").join(name), fill(root, name)?)))
    .collect()
}
