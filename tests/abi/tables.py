"""Assertions made from the fact tables, as items of a sheet."""

from common import facts

HEAD = {
    False: "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif\n#include <liburing.h>\n",
    True: "#include <liburing.h>\n#include <type_traits>\n#include <utility>\n",
}
ASSERT = {False: "_Static_assert", True: "static_assert"}


def literal(constant: dict) -> str:
    if constant["signed"]:
        return f"({constant['value']})"
    return str(int(constant["hex"], 16)) + {"unsigned int": "U", "unsigned long long": "ULL"}[constant["c_type"]]


def same_type(cxx: bool, expression: str, kind: str) -> str:
    if cxx:
        return f"std::is_same<decltype({expression}), {kind}>::value"
    return f"__builtin_types_compatible_p(__typeof__({expression}), {kind})"


def values(cxx: bool) -> list:
    """The value of every constant, however it is defined."""
    return [
        (f"{c['name']} value", f'{ASSERT[cxx]}({c["name"]} == {literal(c)}, "value");')
        for c in facts("constants")["constants"]
    ]


def member_items(cxx: bool, struct: str, path: str, kind: str, offset: int, size: int, flexible: bool) -> list:
    check, tag = ASSERT[cxx], f"struct {struct}"
    place = f"((({tag} *) 0)->{path})"
    name = f"{struct}.{path}"
    items = [(f"{name} offset", f'{check}(__builtin_offsetof({tag}, {path}) == {offset}, "offset");')]
    if not flexible:
        items.append((f"{name} size", f'{check}(sizeof {place} == {size}, "size");'))
    if kind.startswith("struct of "):
        return items
    if flexible:
        # An array without elements has no type that could be named portably.
        place, kind = f"{place}[0]", kind.partition("[")[0]
    if cxx:
        bare = f"std::remove_reference<decltype({place})>::type"
        items.append((f"{name} type", f'{check}(std::is_same<{bare}, {kind}>::value, "type");'))
    else:
        items.append((f"{name} type", f'{check}({same_type(False, place, kind)}, "type");'))
        if "[" not in kind:
            items.append((
                f"{name} type, unqualified",
                f'{check}(_Generic(&{place}, {kind} *: 1, default: 0), "type");',
            ))
    return items


def layouts(cxx: bool) -> list:
    """Size and alignment of every struct; offset, size and type of every member."""
    items = []
    for struct in facts("layouts")["types"]:
        name, check = struct["name"], ASSERT[cxx]
        tag = f"struct {name}"
        items.append((f"{name} size", f'{check}(sizeof({tag}) == {struct["size"]}, "size");'))
        align = f"alignof({tag})" if cxx else f"_Alignof({tag})"
        items.append((f"{name} alignment", f'{check}({align} == {struct["align"]}, "alignment");'))
        if cxx:
            plain = f"std::is_standard_layout<{tag}>::value && std::is_trivially_copyable<{tag}>::value"
            items.append((f"{name} plain data", f'{check}({plain}, "plain data");'))
        for member in struct["fields"]:
            items += member_items(cxx, name, member["name"], member["type"], member["offset"],
                                  member["size"], "flexible" in member)
            for inner in member.get("members", []):
                items += member_items(cxx, name, f"{member['name']}.{inner['name']}", inner["type"],
                                      inner["offset_in_owner"], inner["size"], False)
    return items


def parameters(function: dict) -> str:
    return ", ".join(p["type"] for p in function["params"]) or "void"
