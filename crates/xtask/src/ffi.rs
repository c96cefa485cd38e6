//! What bindings in other languages read: `liburing-ffi.h`, plain declarations
//! without a preprocessor, and `liburing-ffi.json`, the interface as data.
//!
//! Both are derived from the generated C headers and the tables, so that a parser of C
//! never has to see inline functions, attributes or macros.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyring_abi::{Form, GROUPS, VERSION_MAJOR, VERSION_MINOR};

use crate::Output;

/// Headers with declarations, in the order in which C sees them.
const HEADERS: &[&str] = &[
    "liburing/io_uring.h",
    "liburing/io_uring/query.h",
    "liburing/io_uring/bpf_filter.h",
    "liburing.h",
];

/// Types of the C library and of the kernel as plain C on 64-bit Linux.
const PLAIN: &[(&str, &str)] = &[
    ("size_t", "unsigned long"),
    ("ssize_t", "long"),
    ("off_t", "long"),
    ("loff_t", "long"),
    ("mode_t", "unsigned int"),
    ("socklen_t", "unsigned int"),
    ("id_t", "unsigned int"),
    ("idtype_t", "unsigned int"),
    ("uint8_t", "unsigned char"),
    ("uint16_t", "unsigned short"),
    ("uint32_t", "unsigned int"),
    ("uint64_t", "unsigned long"),
    ("int64_t", "long"),
    ("__kernel_rwf_t", "int"),
    ("bool", "_Bool"),
    ("siginfo_t", "void"),
    ("sigset_t", "void"),
    ("cpu_set_t", "void"),
    ("__u8", "unsigned char"),
    ("__u16", "unsigned short"),
    ("__u32", "unsigned int"),
    ("__s32", "int"),
    ("__u64", "unsigned long long"),
    ("__s64", "long long"),
    ("__aligned_u64", "unsigned long long"),
];

/// Structs that are used by value or that programs must fill.
const SYSTEM: &str = "\
/* Structs of the system that requests point at. */
struct iovec {
\tvoid *iov_base;
\tunsigned long iov_len;
};

struct msghdr {
\tvoid *msg_name;
\tunsigned int msg_namelen;
\tstruct iovec *msg_iov;
\tunsigned long msg_iovlen;
\tvoid *msg_control;
\tunsigned long msg_controllen;
\tint msg_flags;
};

struct __kernel_timespec {
\tlong long tv_sec;
\tlong long tv_nsec;
};

struct open_how {
\tunsigned long long flags;
\tunsigned long long mode;
\tunsigned long long resolve;
};

struct futex_waitv {
\tunsigned long long val;
\tunsigned long long uaddr;
\tunsigned int flags;
\tunsigned int __reserved;
};

struct cmsghdr {
\tunsigned long cmsg_len;
\tint cmsg_level;
\tint cmsg_type;
};

/* Structs of the system that are passed on by address only. */
struct sockaddr;
struct statx;
struct epoll_event;
";

/// A declaration at the top level of a header.
struct Item {
    comment: String,
    text: String,
}

/// The lines that a C compiler for Linux would see with `_GNU_SOURCE`.
fn seen(header: &str) -> String {
    let mut text = String::new();
    // Whether the branch of each open conditional is taken.
    let mut open: Vec<bool> = Vec::new();
    let mut continued = false;
    for line in header.lines() {
        let directive = continued || line.trim_start().starts_with('#');
        if directive && !continued {
            let words: Vec<&str> = line.trim_start()[1..].split_whitespace().collect();
            match words.as_slice() {
                ["ifdef", name, ..] => open.push(*name == "_GNU_SOURCE"),
                ["ifndef", name, ..] => open.push(*name != "_GNU_SOURCE"),
                ["if", ..] => open.push(false),
                ["else", ..] => {
                    if let Some(last) = open.last_mut() {
                        *last = !*last;
                    }
                }
                ["endif", ..] => {
                    open.pop();
                }
                _ => {}
            }
        }
        continued = directive && line.ends_with('\\');
        if !directive && open.iter().all(|taken| *taken) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Cuts a header into declarations; bodies of functions are left out.
fn items(header: &str) -> Vec<Item> {
    let text = seen(header);
    let mut items = Vec::new();
    let (mut comment, mut declaration) = (String::new(), String::new());
    let (mut depth, mut body) = (0_usize, false);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("/*") {
            let end = inside.find("*/").unwrap_or(inside.len());
            if declaration.trim().is_empty() {
                comment = rest[..(end + 4).min(rest.len())].to_owned();
            }
            rest = inside.get(end + 2..).unwrap_or("");
            continue;
        }
        let mut letters = rest.chars();
        let letter = letters.next().unwrap_or(' ');
        rest = letters.as_str();
        match letter {
            '{' => {
                if depth == 0 {
                    let first = declaration.split_whitespace().next().unwrap_or("");
                    body = declaration.contains('(') && first != "typedef";
                }
                depth += 1;
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = depth == 0 && (letter == ';' || (letter == '}' && body));
        if !body {
            declaration.push(letter);
        }
        if ends {
            let words: Vec<&str> = declaration.split_whitespace().collect();
            items.push(Item {
                comment: std::mem::take(&mut comment),
                text: words.join(" ").trim_end_matches(';').trim().to_owned(),
            });
            declaration.clear();
            body = false;
        }
    }
    items
}

/// Names and signs of a declaration.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() || letter == '_' {
            word.push(letter);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if !letter.is_whitespace() {
            tokens.push(letter.to_string());
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens.retain(|token| {
        !matches!(
            token.as_str(),
            "__extension__"
                | "IOURINGINLINE"
                | "_LOCAL_INLINE"
                | "LIBURING_COLD"
                | "LIBURING_NOEXCEPT"
                | "static"
                | "inline"
                | "volatile"
        )
    });
    for token in &mut tokens {
        if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| name == token) {
            *token = (*plain).to_owned();
        }
    }
    tokens
}

/// Tokens as C is usually written.
fn spell(tokens: &[String]) -> String {
    let mut text = String::new();
    for token in tokens {
        let tight = matches!(token.as_str(), "," | ")" | "[" | "]")
            || text.ends_with(['*', '(', '['])
            || text.is_empty();
        let call = token == "(";
        if !tight && !call {
            text.push(' ');
        }
        text.push_str(token);
    }
    text
}

/// A member of a struct or a union, or a parameter.
#[derive(Clone)]
struct Variable {
    /// Nothing for an unnamed struct or union.
    name: String,
    kind: Kind,
    /// Elements of an array; 0 for one of any length.
    elements: Option<u64>,
}

#[derive(Clone)]
enum Kind {
    /// A plain type as C spells it, pointers included.
    Plain(String),
    /// A struct or union written out here.
    Nested { union: bool, members: Vec<Variable> },
}

/// Parses members up to the closing brace; gives what is left.
fn members(mut tokens: &[String]) -> Result<(Vec<Variable>, &[String]), String> {
    let mut all = Vec::new();
    loop {
        match tokens.first().map(String::as_str) {
            None => return Err("a struct without an end".to_owned()),
            Some("}") => return Ok((all, &tokens[1..])),
            _ => {}
        }
        let nested = matches!(tokens[0].as_str(), "struct" | "union")
            && tokens.get(1).is_some_and(|token| token == "{");
        let kind = if nested {
            let union = tokens[0] == "union";
            let (inner, rest) = members(&tokens[2..])?;
            tokens = rest;
            Some(Kind::Nested {
                union,
                members: inner,
            })
        } else {
            None
        };
        let end = tokens
            .iter()
            .position(|token| token == ";")
            .ok_or("a member without an end")?;
        all.push(variable(&tokens[..end], kind)?);
        tokens = &tokens[end + 1..];
    }
}

fn variable(tokens: &[String], kind: Option<Kind>) -> Result<Variable, String> {
    let (mut tokens, mut elements) = (tokens, None);
    if let Some(bracket) = tokens.iter().position(|token| token == "[") {
        let count = &tokens[bracket + 1];
        elements = Some(if count == "]" {
            0
        } else {
            count.parse().map_err(|_| format!("an array of {count}"))?
        });
        tokens = &tokens[..bracket];
    }
    if let Some(kind) = kind {
        return Ok(Variable {
            name: tokens.first().cloned().unwrap_or_default(),
            kind,
            elements,
        });
    }
    let (name, of) = tokens.split_last().ok_or("an empty member")?;
    Ok(Variable {
        name: name.clone(),
        kind: Kind::Plain(spell(of)),
        elements,
    })
}

/// Size and alignment.
type Layout = (u64, u64);

fn layout(kind: &Kind, known: &BTreeMap<String, Struct>) -> Result<Layout, String> {
    match kind {
        Kind::Nested { union, members } => Ok(place(members, *union, known)?.1),
        Kind::Plain(name) if name.ends_with('*') => Ok((8, 8)),
        Kind::Plain(name) => match name.trim_start_matches("const ") {
            "unsigned char" | "char" | "_Bool" => Ok((1, 1)),
            "unsigned short" | "short" => Ok((2, 2)),
            "unsigned int" | "int" => Ok((4, 4)),
            "unsigned long" | "long" | "unsigned long long" | "long long" => Ok((8, 8)),
            other => known
                .get(other.trim_start_matches("struct "))
                .map(|found| (found.size, found.align))
                .ok_or_else(|| format!("no layout of {other}")),
        },
    }
}

fn round(value: u64, to: u64) -> u64 {
    value.div_ceil(to) * to
}

/// Offset of each member, and the layout of the whole.
fn place(
    members: &[Variable],
    union: bool,
    known: &BTreeMap<String, Struct>,
) -> Result<(Vec<u64>, Layout), String> {
    let (mut offsets, mut end, mut align) = (Vec::new(), 0, 1);
    for member in members {
        let (size, own) = layout(&member.kind, known)?;
        let at = if union { 0 } else { round(end, own) };
        offsets.push(at);
        end = end.max(at + size * member.elements.unwrap_or(1));
        align = align.max(own);
    }
    Ok((offsets, (round(end, align), align)))
}

/// A struct of the interface with its layout.
struct Struct {
    members: Vec<Variable>,
    size: u64,
    align: u64,
}

fn write_members(text: &mut String, members: &[Variable], depth: usize) {
    for member in members {
        let tabs = "\t".repeat(depth);
        let array = match member.elements {
            None => String::new(),
            Some(0) => "[0]".to_owned(),
            Some(count) => format!("[{count}]"),
        };
        match &member.kind {
            Kind::Plain(kind) => {
                let space = if kind.ends_with('*') { "" } else { " " };
                let _ = writeln!(text, "{tabs}{kind}{space}{}{array};", member.name);
            }
            Kind::Nested { union, members } => {
                let word = if *union { "union" } else { "struct" };
                let _ = writeln!(text, "{tabs}{word} {{");
                write_members(text, members, depth + 1);
                let space = if member.name.is_empty() { "" } else { " " };
                let _ = writeln!(text, "{tabs}}}{space}{}{array};", member.name);
            }
        }
    }
}

/// Every member with a name, those of unnamed structs and unions at their own offsets.
fn json_members(
    fields: &mut Vec<String>,
    members: &[Variable],
    union: bool,
    (base, prefix): (u64, &str),
    known: &BTreeMap<String, Struct>,
) -> Result<(), String> {
    let (offsets, _) = place(members, union, known)?;
    for (member, offset) in members.iter().zip(offsets) {
        let at = base + offset;
        if let Kind::Nested { union, members } = &member.kind {
            let inner = if member.name.is_empty() {
                prefix.to_owned()
            } else {
                format!("{prefix}{}.", member.name)
            };
            json_members(fields, members, *union, (at, &inner), known)?;
            continue;
        }
        let (size, _) = layout(&member.kind, known)?;
        let Kind::Plain(kind) = &member.kind else {
            continue;
        };
        let elements = member
            .elements
            .map_or(String::new(), |count| format!(", \"elements\": {count}"));
        fields.push(format!(
            "{{\"name\": \"{prefix}{}\", \"type\": \"{kind}\"{elements}, \"offset\": {at}, \"size\": {}}}",
            member.name,
            size * member.elements.unwrap_or(1)
        ));
    }
    Ok(())
}

/// A function: what it returns, its name, its parameters.
struct Function {
    returns: String,
    name: String,
    parameters: Vec<(String, String)>,
}

fn function(tokens: &[String]) -> Result<Function, String> {
    let open = tokens
        .iter()
        .position(|token| token == "(")
        .ok_or("a function without parameters")?;
    let close = tokens
        .iter()
        .rposition(|token| token == ")")
        .ok_or("a function without an end")?;
    let (name, returns) = tokens[..open]
        .split_last()
        .ok_or("a function without a name")?;
    let mut parameters = Vec::new();
    for parameter in tokens[open + 1..close].split(|token| token == ",") {
        if matches!(parameter, [only] if only == "void") {
            continue;
        }
        let mut parameter = parameter.to_vec();
        // An array in a parameter is a pointer.
        if let Some(bracket) = parameter.iter().position(|token| token == "[") {
            parameter.truncate(bracket);
            parameter.insert(bracket - 1, "*".to_owned());
        }
        let (called, of) = parameter.split_last().ok_or("an empty parameter")?;
        parameters.push((spell(of), called.clone()));
    }
    Ok(Function {
        returns: spell(returns),
        name: name.clone(),
        parameters,
    })
}

/// A constant's value with its sign.
fn number(value: u64, form: Form) -> i128 {
    match form {
        Form::Int => i128::from(value as i64),
        _ => i128::from(value),
    }
}

pub(crate) fn generate(headers: &[Output]) -> Result<Vec<Output>, String> {
    let nodes: BTreeMap<_, _> = crate::maps::ffi_symbols().into_iter().collect();
    let mut structs: BTreeMap<String, Struct> = BTreeMap::new();
    let mut order: Vec<(String, String)> = Vec::new();
    let mut functions: Vec<(Function, String)> = Vec::new();
    let mut all = items(SYSTEM);
    let plain = all.len();
    for header in HEADERS {
        let path = std::path::Path::new("include").join(header);
        let (_, text) = headers
            .iter()
            .find(|(name, _)| *name == path)
            .ok_or_else(|| format!("{header} is not generated"))?;
        all.extend(items(text));
    }
    for (position, item) in all.iter().enumerate() {
        let tokens = tokens(&item.text);
        let words: Vec<&str> = tokens.iter().map(String::as_str).take(3).collect();
        match words.as_slice() {
            ["struct", name, "{"] => {
                let (members, _) = members(&tokens[3..])?;
                let (_, (size, align)) = place(&members, false, &structs)?;
                if position >= plain {
                    order.push(((*name).to_owned(), item.comment.clone()));
                }
                structs.insert(
                    (*name).to_owned(),
                    Struct {
                        members,
                        size,
                        align,
                    },
                );
            }
            ["enum" | "typedef", ..] => {}
            _ if tokens.iter().any(|token| token == "(") => {
                let function = function(&tokens)?;
                let new = functions
                    .iter()
                    .all(|(known, _)| known.name != function.name);
                if nodes.contains_key(&function.name) && new {
                    functions.push((function, item.comment.clone()));
                }
            }
            _ => {}
        }
    }
    let missing: Vec<&String> = nodes
        .keys()
        .filter(|name| functions.iter().all(|(known, _)| known.name != **name))
        .collect();
    if !missing.is_empty() {
        return Err(format!("no prototype in the headers: {missing:?}"));
    }
    Ok(vec![
        (
            "include/liburing-ffi.h".into(),
            plain_header(&order, &structs, &functions),
        ),
        (
            "include/liburing-ffi.json".into(),
            json(&structs, &functions, &nodes)?,
        ),
    ])
}

fn plain_header(
    order: &[(String, String)],
    structs: &BTreeMap<String, Struct>,
    functions: &[(Function, String)],
) -> String {
    let mut text = crate::banner("/*", " */");
    text.push_str(
        "/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */\n\
         /*\n \
         * The interface of liburing-ffi.so.2 as plain declarations for 64-bit Linux: no\n \
         * includes, no preprocessor, no inline functions. For parsers of C in other\n \
         * languages (cffi, LuaJIT, pycparser, bindgen); C programs include liburing.h.\n \
         * Constants that are not of type int stand in liburing-ffi.json. Arrays of any\n \
         * length are arrays of no elements. What siginfo_t, sigset_t and cpu_set_t are is\n \
         * left to the program: their addresses are those of void.\n \
         */\n\n",
    );
    text.push_str(SYSTEM);
    text.push('\n');
    for group in GROUPS {
        let small: Vec<_> = group
            .constants
            .iter()
            .filter(|constant| i32::try_from(number(constant.value, group.form)).is_ok())
            .collect();
        if small.is_empty() {
            continue;
        }
        let tag = match group.form {
            Form::Enum(tag) if !tag.is_empty() => format!(" {tag}"),
            _ => String::new(),
        };
        let _ = writeln!(text, "/* {} */\nenum{tag} {{", group.doc.replace('`', ""));
        for (position, constant) in small.iter().enumerate() {
            let comma = if position + 1 < small.len() { "," } else { "" };
            let _ = writeln!(
                text,
                "\t{} = {}{comma}",
                constant.name,
                number(constant.value, group.form)
            );
        }
        text.push_str("};\n\n");
    }
    for (name, comment) in order {
        if !comment.is_empty() {
            let _ = writeln!(text, "{comment}");
        }
        let _ = writeln!(text, "struct {name} {{");
        write_members(&mut text, &structs[name].members, 1);
        text.push_str("};\n\n");
    }
    for (function, comment) in functions {
        if !comment.is_empty() {
            let _ = writeln!(text, "{comment}");
        }
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|(kind, name)| {
                let space = if kind.ends_with('*') { "" } else { " " };
                format!("{kind}{space}{name}")
            })
            .collect();
        let space = if function.returns.ends_with('*') {
            ""
        } else {
            " "
        };
        let parameters = if parameters.is_empty() {
            "void".to_owned()
        } else {
            parameters.join(", ")
        };
        let _ = writeln!(
            text,
            "{}{space}{}({parameters});\n",
            function.returns, function.name
        );
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn json(
    structs: &BTreeMap<String, Struct>,
    functions: &[(Function, String)],
    nodes: &BTreeMap<String, &'static str>,
) -> Result<String, String> {
    let mut text = format!(
        "{{\n\"generated\": \"by `cargo xtask codegen`; do not edit\",\n\
         \"library\": \"liburing-ffi.so.2\",\n\"version\": \"{VERSION_MAJOR}.{VERSION_MINOR}\",\n\
         \"machine\": \"64-bit little-endian Linux\",\n\"constants\": {{\n"
    );
    let constants: Vec<String> = GROUPS
        .iter()
        .flat_map(|group| {
            group.constants.iter().map(|constant| {
                format!(
                    "  \"{}\": {}",
                    constant.name,
                    number(constant.value, group.form)
                )
            })
        })
        .collect();
    text.push_str(&constants.join(",\n"));
    text.push_str("\n},\n\"structs\": {\n");
    let mut blocks = Vec::new();
    for (name, found) in structs {
        let mut fields = Vec::new();
        json_members(&mut fields, &found.members, false, (0, ""), structs)?;
        blocks.push(format!(
            "  \"{name}\": {{\"size\": {}, \"align\": {}, \"fields\": [\n    {}\n  ]}}",
            found.size,
            found.align,
            fields.join(",\n    ")
        ));
    }
    text.push_str(&blocks.join(",\n"));
    text.push_str("\n},\n\"functions\": {\n");
    let blocks: Vec<String> = functions
        .iter()
        .map(|(function, _)| {
            let arguments: Vec<String> = function
                .parameters
                .iter()
                .map(|(kind, name)| format!("{{\"name\": \"{name}\", \"type\": \"{kind}\"}}"))
                .collect();
            format!(
                "  \"{}\": {{\"node\": \"{}\", \"returns\": \"{}\", \"arguments\": [{}]}}",
                function.name,
                nodes[&function.name],
                function.returns,
                arguments.join(", ")
            )
        })
        .collect();
    text.push_str(&blocks.join(",\n"));
    text.push_str("\n}\n}\n");
    Ok(text)
}
