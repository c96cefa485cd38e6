"""Value, width, sign, type and usability of every constant, in C and in C++."""

from common import Context, facts
from sheet import sheet
from tables import ASSERT, HEAD, literal, same_type, values


def shape(constant: dict, cxx: bool) -> list:
    name, check, kind = constant["name"], ASSERT[cxx], constant["c_type"]
    items = [(f"{name} width", f'{check}(sizeof({name}) == {constant["width"] // 8}, "width");')]
    if constant["kind"] == "enum":
        items.append((f"{name} is no macro", f"#ifdef {name}\n#error a macro\n#endif"))
        if cxx:
            items.append((f"{name} in an enum", f'{check}(std::is_enum<decltype({name})>::value, "enum");'))
    else:
        items.append((f"{name} is a macro", f"#ifndef {name}\n#error no macro\n#endif"))
    if not cxx or constant["kind"] != "enum":
        items.append((f"{name} type", f'{check}({same_type(cxx, name, kind)}, "type");'))
        negative = f"(({kind}) -1 < 0)" if cxx else f"((__typeof__({name})) -1 < 0)"
        items.append((f"{name} sign", f'{check}({negative} == {int(constant["signed"])}, "sign");'))
    if not cxx:
        items.append((f"{name} in _Generic", f'{check}(_Generic(({name}), {kind}: 1, default: 0), "type");'))
    if constant.get("usable_in_if"):
        items.append((f"{name} in #if", f"#if ({name}) != {literal(constant)}\n#error differs\n#endif"))
    return items


def enums(cxx: bool) -> list:
    items, check = [], ASSERT[cxx]
    for enum in facts("layouts")["enums"]:
        members, tag = enum["members"], enum["tag"]
        owner = f"enum {tag}" if tag else f"decltype({members[0]})"
        if cxx:
            for member in members:
                same = same_type(True, member, owner)
                items.append((f"{member} in {tag or 'the enum of ' + members[0]}", f'{check}({same}, "enum");'))
        if tag:
            items.append((f"enum {tag} size", f'{check}(sizeof({owner}) == {enum["size"]}, "size");'))
            align = f"alignof({owner})" if cxx else f"_Alignof({owner})"
            items.append((f"enum {tag} alignment", f'{check}({align} == {enum["align"]}, "alignment");'))
            if not cxx:
                same = f"__builtin_types_compatible_p({owner}, {enum['underlying']})"
                items.append((f"enum {tag} underlying type", f'{check}({same}, "type");'))
    return items


def run(context: Context) -> None:
    table = facts("constants")["constants"]
    for compiler in context.compilers:
        items = values(compiler.cxx) + enums(compiler.cxx)
        for constant in table:
            items += shape(constant, compiler.cxx)
        flags = ["-std=c++17" if compiler.cxx else "-std=c11", context.flag()]
        sheet(context, "constants", compiler, flags, HEAD[compiler.cxx], items)
