#include "man_page.hpp"

#include "exit_code.hpp"
#include "option_text.hpp"

#include <fmt/format.h>
#include <string_view>

namespace tailrace::tool {

namespace {

// As roff prints it unchanged: a dash is a minus, and no line begins with a request.
std::string plain(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '\\') {
            escaped += "\\e";
        } else if (c == '-') {
            escaped += "\\-";
        } else if (c == '\'') {
            escaped += "\\(aq";
        } else if (c == '^') {
            escaped += "\\(ha";
        } else if (c == '~') {
            escaped += "\\(ti";
        } else {
            escaped += c;
        }
    }
    return escaped.starts_with('.') ? "\\&" + escaped : escaped;
}

std::string usage_of(const CLI::App& command) {
    std::string text = fmt::format("\\fBtailrace {}\\fR [OPTIONS]", plain(path_of(command)));
    for (const CLI::Option* const option : command.get_options()) {
        if (!option->get_positional()) continue;
        const std::string name = option->get_name(true, false);
        const char* const more = option->get_expected_max() > 1 ? "..." : "";
        text += option->get_required() ? fmt::format(" \\fI{}\\fR{}", name, more)
                                       : fmt::format(" [\\fI{}\\fR{}]", name, more);
    }
    return text + (shown_commands(command).empty() ? "" : " \\fICOMMAND\\fR");
}

void add_options(std::string& page, const CLI::App& command) {
    for (const OptionText& option : option_texts(command)) {
        if (!option.is_positional && option.names.back() == "--help") continue;
        page += fmt::format(".TP\n\\fB{}\\fR\n{}.\n", plain(option.heading()), plain(option.text));
    }
}

void add_examples(std::string& page, const std::string& path) {
    for (const std::string_view line : examples_of(path))
        page += fmt::format(".PP\n.nf\n.RS\n{}\n.RE\n.fi\n", plain(line));
}

void add_commands(std::string& page, const CLI::App& app) {
    for (const CLI::App* const command : shown_commands(app)) {
        page += fmt::format(".SS {}\n{}.\n.PP\n{}\n",
                            plain(path_of(*command)),
                            plain(command->get_description()),
                            usage_of(*command));
        add_options(page, *command);
        for (const std::string& paragraph : paragraphs_of(*command))
            page += fmt::format(".PP\n{}\n", plain(paragraph));
        add_examples(page, path_of(*command));
        add_commands(page, *command);
    }
}

constexpr std::string_view kPositions = R"(.SH POSITIONS
.TP
\fBstart\fR, \fBend\fR
The oldest event that is left, and behind the newest.
.TP
\fIN\fR
The event of that sequence.
.TP
\fB+\fIN\fR, \fB\-\fIN\fR
So many events after the start, or before the end.
.TP
\fB@\-10m\fR, \fB@2026\-11\-22T14:00:06Z\fR
The first event that was published since then.
)";

constexpr std::string_view kEnvironment = R"(.SH ENVIRONMENT
.TP
\fBTAILRACE_DIR\fR
Where rings are; /dev/shm/tailrace without it.
.TP
\fBTAILRACE_JOURNAL_DIR\fR
Where journals are that are named after their stream.
.TP
\fBTAILRACE_CONTEXT\fR
The context of the config file that counts.
.TP
\fBXDG_CONFIG_HOME\fR
Where the config file is, in tailrace/config; ~/.config without it.
.TP
\fBNO_COLOR\fR, \fBFORCE_COLOR\fR
No colours, or colours also where the output is no terminal.
)";

constexpr std::string_view kFilesOfMan = R"(.SH FILES
.TP
\fI~/.config/tailrace/config\fR
Lines of \fBkey = value\fR; a line that begins with # says nothing.
Keys are \fBdir\fR, \fBjournal_dir\fR, \fBformat\fR (text, json)
and \fBcolor\fR (auto, always, never).
Behind a line \fB[context NAME]\fR they are those of that context.
Before the first such line they are for all, and \fBcontext\fR names the one that counts.
An option counts before the environment, that before the context,
that before the rest of the file.
)";

}  // namespace

std::string man_page(const CLI::App& app) {
    std::string page = fmt::format(
        ".TH TAILRACE 1 \"\" \"tailrace {}\" \"User Commands\"\n"
        ".SH NAME\ntailrace \\- {}\n"
        ".SH SYNOPSIS\n\\fBtailrace\\fR \\fICOMMAND\\fR [OPTIONS]\n",
        TAILRACE_VERSION,
        plain(app.get_description()));
    page +=
        ".SH DESCRIPTION\nPublishers write events into a ring in shared memory, any number of "
        "processes read them there,\nand a recorder appends them to a journal on disk.\n";
    page += ".SH OPTIONS\nThey may stand before or behind the command.\n";
    add_options(page, app);
    page += ".SH COMMANDS\n";
    add_commands(page, app);
    page += kPositions;
    page += ".SH EXIT STATUS\n";
    for (const ExitCodeRow& row : exit_code_table()) {
        page +=
            fmt::format(".TP\n\\fB{}\\fR\n{}.\n", static_cast<int>(row.code), plain(row.meaning));
    }
    page += kEnvironment;
    page += kFilesOfMan;
    page += ".SH EXAMPLES\n";
    add_examples(page, "");
    return page;
}

}  // namespace tailrace::tool
