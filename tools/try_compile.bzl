"""Compiles a source as cc_library would, without failing the build if it fails.

For the rules that test what the compiler says: cc_compile_fail_test.bzl and
headers_compile_test.bzl. And the command itself, for bench/compile_command.bzl.
"""

load("@rules_cc//cc:find_cc_toolchain.bzl", "find_cc_toolchain", "use_cc_toolchain")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

# Attributes and other arguments that a rule which calls try_compile needs.
TRY_COMPILE = struct(
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = use_cc_toolchain(),
)

# $1 gets what the compiler said, then a line with what came of it.
_SCRIPT = """
log=$1
shift
if "$@" >"$log" 2>&1; then
  echo "try_compile: compiled" >>"$log"
else
  echo "try_compile: did not compile" >>"$log"
fi
"""

def compile_arguments(ctx, source, output, copts = []):
    """The command that compiles a source as cc_library would.

    Args:
      ctx: of a rule with TRY_COMPILE's attributes, fragments and toolchains.
      source: the path of the C++ source.
      output: the path of what comes of it.
      copts: the flags that come last.

    Returns:
      A struct: the compiler (`tool`), its `arguments` and environment (`env`),
      the `headers` and all `files` of the compiler that it reads, as depsets.
    """
    toolchain = find_cc_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        # They want module maps, which Bazel makes for its own C++ rules only.
        unsupported_features = ctx.disabled_features + ["layering_check", "module_maps", "parse_headers"],
    )
    context = cc_common.merge_cc_infos(
        cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
    ).compilation_context
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        source_file = source,
        output_file = output,
        include_directories = context.includes,
        quote_include_directories = context.quote_includes,
        system_include_directories = context.system_includes,
        preprocessor_defines = context.defines,
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + copts,
    )
    action = "c++-compile"
    return struct(
        tool = cc_common.get_tool_for_action(feature_configuration = features, action_name = action),
        arguments = cc_common.get_memory_inefficient_command_line(
            feature_configuration = features,
            action_name = action,
            variables = variables,
        ),
        env = cc_common.get_environment_variables(
            feature_configuration = features,
            action_name = action,
            variables = variables,
        ),
        headers = context.headers,
        files = toolchain.all_files,
    )

def try_compile(ctx, src, copts = []):
    """Declares a file with what the compiler says of `src`.

    Args:
      ctx: of a rule with TRY_COMPILE's attributes, fragments and toolchains.
      src: the C++ source, a File.
      copts: the flags that come last.

    Returns:
      The File: the messages, then `try_compile: compiled` or `try_compile: did
      not compile` in a line of its own.
    """
    command = compile_arguments(
        ctx,
        src.path,
        "/dev/null",
        copts = ["-fsyntax-only", "-fdiagnostics-color=never"] + copts,
    )
    log = ctx.actions.declare_file("_try_compile/%s/%s.log" % (ctx.label.name, src.basename))
    ctx.actions.run_shell(
        outputs = [log],
        inputs = depset([src], transitive = [command.headers, command.files]),
        command = _SCRIPT,
        arguments = [log.path, command.tool] + command.arguments,
        env = command.env,
        mnemonic = "TryCompile",
        progress_message = "Trying to compile %s" % src.short_path,
    )
    return log
