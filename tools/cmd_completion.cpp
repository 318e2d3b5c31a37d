// tailrace completion, tailrace man: what shells and man need to know of the commands.

#include "command.hpp"
#include "commands.hpp"
#include "completion.hpp"
#include "man_page.hpp"

#include <fmt/format.h>
#include <memory>
#include <string>
#include <vector>

namespace tailrace::tool {

namespace {

// What the scripts call; not in any list.
void add_complete(CLI::App& app) {
    const auto words = std::make_shared<std::vector<std::string>>();
    CLI::App* const command =
        add_command(app, "__complete", "", [&app, words]() -> Result<ExitCode> {
            for (const Candidate& one : candidates(app, *words)) {
                out().write(one.text.empty() ? tame(one.word) + "\n"
                                             : fmt::format("{}\t{}\n", tame(one.word), one.text));
            }
            return ExitCode::done;
        });
    command->group("");
    command->add_option("WORD", *words, "Those behind tailrace, up to the one that is typed");
}

}  // namespace

void register_completion(CLI::App& app) {
    const auto shell = std::make_shared<std::string>();
    CLI::App* const command =
        add_command(app, "completion", "Print what makes a shell complete commands", [shell] {
            out().write(completion_script(*shell));
            return Result<ExitCode>(ExitCode::done);
        });
    command->add_option("SHELL", *shell, "bash, zsh or fish")
        ->check(CLI::IsMember({"bash", "zsh", "fish"}))
        ->required();
    add_complete(app);
}

void register_man(CLI::App& app) {
    add_command(app, "man", "Print the man page, tailrace(1)", [&app] {
        out().write(man_page(app));
        return Result<ExitCode>(ExitCode::done);
    });
}

}  // namespace tailrace::tool
