"""Size, alignment, offset and type of every struct member, in C and in C++."""

from common import Context, compile_source, facts, include



def assertions(check: str) -> list:
    lines = []
    for struct in facts("layouts")["types"]:
        tag = f"struct {struct['name']}"
        lines.append(f'{check}(sizeof({tag}) == {struct["size"]}, "{tag}: size");')
        lines.append(f'{check}(__alignof__({tag}) == {struct["align"]}, "{tag}: alignment");')
        for field in struct["fields"]:
            name = field["name"]
            place = f"{tag}: {name}"
            lines.append(
                f'{check}(__builtin_offsetof({tag}, {name}) == {field["offset"]}, "{place} offset");'
            )
            if field["size"]:
                lines.append(
                    f'{check}(sizeof((({tag} *) 0)->{name}) == {field["size"]}, "{place} size");'
                )
            for member in field.get("members", []):
                lines.append(
                    f"{check}(__builtin_offsetof({tag}, {name}.{member['name']}) == "
                    f'{member["offset_in_owner"]}, "{place}.{member["name"]} offset");'
                )
    return lines


def types() -> list:
    """Types can be compared in C only, where arrays and tags allow it."""
    lines = []
    for struct in facts("layouts")["types"]:
        for field in struct["fields"]:
            kind = field["type"]
            if kind.startswith("struct of ") or "[" in kind:
                continue
            lines.append(
                f"_Static_assert(__builtin_types_compatible_p(__typeof__(((struct {struct['name']} *) 0)"
                f'->{field["name"]}), {kind}), "{struct["name"]}.{field["name"]}: type");'
            )
    return lines


def run(context: Context) -> None:
    head = "#include <liburing.h>\n"
    for compiler, name, check, extra, flags in (
        ("cc", "layouts_c", "_Static_assert", types(), ["-std=gnu11"]),
        ("c++", "layouts_cc", "static_assert", [], ["-std=c++17", "-Wno-invalid-offsetof"]),
    ):
        lines = assertions(check) + extra
        _, output = compile_source(
            context, compiler, name, head + "\n".join(lines) + "\n", [*flags, include(context)]
        )
        context.check(f"{len(lines)} layout facts with {compiler}", output[:3000])
