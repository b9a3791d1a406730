"""The command that compiles a source which depends on some libraries."""

load("//tools:try_compile.bzl", "TRY_COMPILE", "compile_arguments")

def _compile_command_impl(ctx):
    command = compile_arguments(ctx, "SOURCE", "/dev/null")
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.write(out, "\n".join([command.tool] + command.arguments) + "\n")

    # The headers with it, so that they are there when it runs.
    files = depset([out], transitive = [command.headers])
    return [DefaultInfo(files = files, runfiles = ctx.runfiles(transitive_files = files))]

compile_command = rule(
    doc = """Writes the command, an argument a line, for a source called SOURCE.

    Run it in Bazel's execution root, where its paths begin.
    """,
    implementation = _compile_command_impl,
    attrs = TRY_COMPILE.attrs,
    fragments = TRY_COMPILE.fragments,
    toolchains = TRY_COMPILE.toolchains,
)
