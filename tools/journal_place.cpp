#include "journal_place.hpp"

#include "command.hpp"

#include <tailrace/bus/region.hpp>
#include <tailrace/stream/recorder.hpp>

#include <system_error>

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

bool is_directory(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

bool exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

}  // namespace

std::string usual_journal_directory(const std::string& stream) {
    if (settings().journal_directory.empty()) return stream::default_journal_directory(stream);
    return absolute_path(settings().journal_directory + "/" + stream);
}

std::string usual_journal_parent() {
    return std::filesystem::path(usual_journal_directory("x")).parent_path().string();
}

std::string journal_directory_of(const bus::StreamHeader& header) {
    const auto end =
        std::find(header.journal_directory.begin(), header.journal_directory.end(), '\0');
    return {header.journal_directory.begin(), end};
}

std::string ring_directory_of(const std::string& stream) {
    const std::string& chosen = settings().directory;
    return (chosen.empty() ? bus::default_directory() : chosen) + "/" + stream;
}

std::string absolute_path(const std::string& path) {
    std::error_code failed;
    const auto absolute = std::filesystem::absolute(path, failed).lexically_normal();
    std::string text = failed ? path : absolute.string();
    if (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
}

bool is_path(const std::string& target) {
    return target.find('/') != std::string::npos || is_directory(target);
}

Result<std::string> find_journal(const std::string& target) {
    if (is_path(target)) {
        if (exists(target)) return absolute_path(target);
        return make_error(ErrorCode::not_found,
                          fmt::format("there is no journal '{}'", target),
                          "tailrace ls shows the streams and journals of this machine");
    }
    // The ring knows best; when it is gone (a reboot), the usual place is asked.
    auto region = bus::Region::open(target, bus::RegionAccess::observe, settings().directory);
    if (region) {
        const std::string named = journal_directory_of((*region)->header());
        if (!named.empty() && exists(named)) return named;
    }
    const std::string usual = usual_journal_directory(target);
    if (exists(usual)) return usual;
    if (region) {
        const std::string named = journal_directory_of((*region)->header());
        return make_error(
            ErrorCode::not_found,
            fmt::format(
                "stream '{}' has no journal (no {})", target, named.empty() ? usual : named),
            fmt::format("tailrace record {}", target));
    }
    if (region.error().code == ErrorCode::invalid_argument) return region.error();
    return make_error(ErrorCode::not_found,
                      fmt::format("there is no journal '{}' (no {})", target, usual),
                      "tailrace ls, or name the journal's directory");
}

}  // namespace tailrace::tool
