"""The page of the command line: what `--help` says of every command."""

import typer

from vgcore.commands import app as program

PAGE = "reference/cli"


def sections(command, context):
    """The Markdown of a command, and of those below it."""
    name = context.command_path
    yield f"## `{name}`\n" if " " in name else "## The program\n"
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    words = [each.name.upper() for each in arguments]
    below = hasattr(command, "list_commands")
    yield f"```sh\n{' '.join([name, '[OPTIONS]', *words, *['COMMAND ...'] * below])}\n```\n"
    yield f"{command.help or ''}\n"
    for param in command.params:
        called, about = param.get_help_record(context) or (param.name.upper(), param.help)
        yield f"`{called}`\n: {about}\n"
    if below:
        for each in command.list_commands(context):
            inner = command.get_command(context, each)
            yield from sections(inner, inner.context_class(inner, info_name=each, parent=context))


def write(app, name, text):
    """Put the commands below what the page says."""
    if name == PAGE:
        command = typer.main.get_command(program)
        context = command.context_class(command, info_name="vgcore")
        text[0] += "\n" + "\n".join(sections(command, context))


def setup(app):
    """Tell Sphinx."""
    app.connect("source-read", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
