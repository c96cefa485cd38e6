"""Every function has the prototype of the tables, in C and in C++."""

from common import Context, functions
from sheet import sheet
from tables import HEAD, parameters


def c_items(table: list) -> list:
    return [
        (f["name"], f'_Static_assert(__builtin_types_compatible_p(__typeof__(&{f["name"]}), '
                    f'{f["return_type"]} (*)({parameters(f)})), "prototype");')
        for f in table
    ]


def cxx_items(table: list) -> list:
    """noexcept is part of the type from C++17 on."""
    return [
        (f["name"], f'static_assert(std::is_same<decltype(&{f["name"]}), '
                    f'{f["return_type"]} (*)({parameters(f)}) noexcept>::value, "prototype");')
        for f in table
    ]


def cxx11_items(table: list) -> list:
    items = []
    for f in table:
        name = f["name"]
        plain = f"std::is_same<decltype(&{name}), {f['return_type']} (*)({parameters(f)})>::value"
        values = ", ".join(f"std::declval<{p['type']}>()" for p in f["params"])
        items.append((name, f'static_assert({plain}, "prototype");'))
        items.append((f"{name} noexcept", f'static_assert(noexcept({name}({values})), "noexcept");'))
    return items


def run(context: Context) -> None:
    table = functions()
    for compiler in context.c:
        sheet(context, "prototypes", compiler, ["-std=gnu11", context.flag()], HEAD[False], c_items(table))
        # Only those that the tables name need more than the default features.
        plain = [f for f in table if not f["needs_gnu_source"]]
        sheet(context, "prototypes without _GNU_SOURCE", compiler, ["-std=gnu11", context.flag()],
              "#include <liburing.h>\n", c_items(plain))
    for compiler in context.cxx:
        sheet(context, "prototypes C++17", compiler, ["-std=c++17", context.flag()], HEAD[True], cxx_items(table))
        sheet(context, "prototypes C++11", compiler, ["-std=c++11", context.flag()], HEAD[True], cxx11_items(table))
