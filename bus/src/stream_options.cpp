#include <tailrace/base/align.hpp>
#include <tailrace/bus/stream_options.hpp>

#include <cstdlib>

namespace tailrace::bus {

namespace {

bool is_name_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

}  // namespace

Result<void> detail::check_name(std::string_view name, const std::string& noun) {
    const std::string shown = noun + " name '" + std::string(name) + "'";
    const std::string hint =
        "names are 1 to 63 of A-Z a-z 0-9 . _ - and begin with neither a dot nor a dash";
    if (name.empty()) return invalid_argument("a " + noun + " needs a name", hint);
    if (name.size() >= kNameCapacity)
        return invalid_argument(shown + " is longer than 63 characters", hint);
    if (name.front() == '.') return invalid_argument(shown + " begins with a dot", hint);
    // Every command would take it for an option.
    if (name.front() == '-') return invalid_argument(shown + " begins with a dash", hint);
    for (const char c : name) {
        if (is_name_character(c)) continue;
        // One byte of a longer character, alone, would spoil the text around it.
        const bool is_visible = c > ' ' && c <= '~';
        const std::string what = c == '/'     ? "a slash"
                                 : is_visible ? "the character '" + std::string(1, c) + "'"
                                              : "a space, a control character or one beyond ASCII";
        return invalid_argument(shown + " holds " + what, hint);
    }
    return {};
}

Result<void> check_stream_name(std::string_view name) {
    auto checked = detail::check_name(name, "stream");
    if (!checked && name.find('/') != std::string_view::npos)
        checked.error().hint += "; choose another place with --dir";
    return checked;
}

Result<void> check_stream_options(const StreamOptions& options) {
    if (!is_power_of_two(options.capacity_bytes) || options.capacity_bytes < kMinCapacityBytes ||
        options.capacity_bytes > kMaxCapacityBytes) {
        return invalid_argument("a capacity of " + std::to_string(options.capacity_bytes) +
                                    " bytes is not a power of two from 64 KiB to 16 GiB",
                                "--capacity 64MiB");
    }
    if (options.alignment_bytes != 16 && options.alignment_bytes != 64) {
        return invalid_argument("an alignment of " + std::to_string(options.alignment_bytes) +
                                " bytes is neither 16 nor 64");
    }
    constexpr std::uint64_t kRoomForHeaders = 128;
    if (options.max_payload_bytes > max_claim_bytes(options.capacity_bytes) - kRoomForHeaders) {
        return invalid_argument("events of " + std::to_string(options.max_payload_bytes) +
                                    " bytes are too large for a ring of " +
                                    std::to_string(options.capacity_bytes) +
                                    " bytes: at most a quarter of it",
                                "choose a larger --capacity or a smaller --max-event");
    }
    const bool wants_1g = options.huge_pages == HugePages::size_1g;
    if ((wants_1g || options.huge_pages == HugePages::size_2m) &&
        options.capacity_bytes <
            page_size_bytes(wants_1g ? PageKind::huge_1g : PageKind::huge_2m)) {
        return invalid_argument("a ring of " + std::to_string(options.capacity_bytes) +
                                    " bytes is smaller than one huge page of " +
                                    (wants_1g ? "1 GiB" : "2 MiB"),
                                wants_1g ? "--capacity 1GiB" : "--capacity 2MiB");
    }
    if (options.publisher_slots == 0 || options.publisher_slots > kMaxSlots ||
        options.subscriber_slots == 0 || options.subscriber_slots > kMaxSlots) {
        return invalid_argument(
            "a stream has 1 to 1024 publisher slots and 1 to 1024 subscriber slots");
    }
    if (options.journal_directory.size() >= sizeof(StreamHeader::journal_directory)) {
        return invalid_argument("the journal's path '" + options.journal_directory +
                                "' is longer than 511 characters");
    }
    if (options.types.problem()) return *options.types.problem();
    if (options.journal_missing == JournalMissing::hold && options.journal_directory.empty()) {
        return invalid_argument("publishers can't be held for a journal that the stream hasn't",
                                "name its journal too: --journal --journal-missing hold");
    }
    return {};
}

std::string_view journal_missing_name(const StreamHeader& header) noexcept {
    return holds_for_journal(header) ? "hold" : "go";
}

std::string_view publish_time_name(PublishTime publish_time) noexcept {
    if (publish_time == PublishTime::off) return "off";
    return publish_time == PublishTime::per_batch ? "batch" : "event";
}

std::string default_directory() {
    const char* const configured = std::getenv("TAILRACE_DIR");
    if (configured != nullptr && *configured != '\0') return configured;
    return "/dev/shm/tailrace";
}

}  // namespace tailrace::bus
