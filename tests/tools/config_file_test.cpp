#include "config_file.hpp"

#include <catch2/catch.hpp>

namespace tailrace::tool::config_file_test {

namespace {

constexpr std::string_view kText =
    "# mine\n"
    "context = eu\n"
    "color=never\n"
    "\n"
    "[context eu]\n"
    "  dir = /dev/shm/eu  \n"
    "journal_dir = /srv/eu journals\n"
    "[ context us.2 ]\n"
    "dir=/dev/shm/us";

std::string refusal(std::string_view text) {
    const auto config = parse_config(text, "/c");
    if (config) return "taken";
    CHECK(config.error().code == ErrorCode::invalid_argument);
    CHECK_FALSE(config.error().hint.empty());
    return config.error().message;
}

bool says(const std::string& text, std::string_view words) {
    INFO(text);
    return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("config file: keys are those of the section they stand in", "[tool][config]") {
    const auto config = parse_config(kText, "/c");
    REQUIRE(config);
    CHECK(config->context == "eu");
    CHECK(config->keys.colour == "never");
    CHECK_FALSE(config->keys.directory);
    REQUIRE(config->contexts.size() == 2);
    CHECK(config->find("eu")->keys.directory == "/dev/shm/eu");
    CHECK(config->find("eu")->keys.journal_directory == "/srv/eu journals");
    CHECK(config->find("us.2")->keys.directory == "/dev/shm/us");
    CHECK(config->find("us") == nullptr);
    CHECK(parse_config("", "/c")->contexts.empty());
    CHECK(parse_config("context = none\n", "/c")->context.empty());
    CHECK(check_context(*config, "eu"));
    const auto none = check_context(*config, "eux");
    REQUIRE_FALSE(none);
    CHECK(says(none.error().message, "no context 'eux'"));
    CHECK(says(check_context(*config, "us2").error().message, "did you mean 'us.2'?"));
}

TEST_CASE("config file: what isn't understood names itself, its line and the nearest key",
          "[tool][config]") {
    CHECK(says(refusal("\njournal-dir = /x\n"), "'/c', line 2: there is no key 'journal-dir'"));
    CHECK(says(refusal("journal-dir = /x\n"), "did you mean 'journal_dir'?"));
    CHECK(says(refusal("colour = never\n"), "did you mean 'color'?"));
    CHECK(says(refusal("#\n#\ndir\n"), "line 3: 'dir' has no value"));
    CHECK(says(refusal("dir = here\n"), "'here' is no whole path"));
    CHECK(says(refusal("dir = /a\ndir = /b\n"), "line 2: 'dir' is given twice"));
    CHECK(says(refusal("color = blue\n"), "'blue'"));
    CHECK(says(refusal("format = raw\n"), "'raw' is no format"));
    CHECK(says(refusal("[contxt eu]\n"), "'[contxt eu]' is no section"));
    CHECK(says(refusal("[context none]\n"), "no section"));
    CHECK(says(refusal("[context]\n"), "no section"));
    CHECK(says(refusal("[context a]\n[context a]\n"), "line 2: the context 'a' is there already"));
    // Which one counts is said for all.
    CHECK(says(refusal("[context a]\ncontext = a\n"), "line 2: there is no key 'context'"));
}

TEST_CASE("config file: to choose a context changes that line alone", "[tool][config]") {
    const std::string chosen = with_context(kText, "us.2");
    CHECK(parse_config(chosen, "/c")->context == "us.2");
    CHECK(with_context(chosen, "eu") == kText);
    CHECK(with_context("", "a") == "context = a\n");
    CHECK(with_context("[context a]\ndir = /a\n", "a") == "context = a\n[context a]\ndir = /a\n");
    CHECK(with_context("# one\ncolor = never", "a") == "# one\ncolor = never\ncontext = a\n");
    CHECK(with_context("context=b\r\n[context a]\n", "a") == "context = a\n[context a]\n");
}

}  // namespace tailrace::tool::config_file_test
