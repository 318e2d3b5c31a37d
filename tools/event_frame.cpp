#include "event_frame.hpp"

#include "payload_text.hpp"

#include <fmt/format.h>
#include <type_traits>

namespace tailrace::tool {

namespace {

constexpr std::uint16_t kHasKey = 1;
constexpr std::size_t kTypeAt = 4;
constexpr std::size_t kFlagsAt = 6;
constexpr std::size_t kKeyAt = 8;
constexpr std::size_t kTimeAt = 16;

template <typename Word>
void append_word(std::string& bytes, Word word) {
    for (std::size_t byte = 0; byte < sizeof(Word); ++byte)
        bytes += static_cast<char>((word >> (8 * byte)) & 0xFFU);
}

template <typename Word>
Word word_at(std::string_view bytes, std::size_t offset) {
    std::uint64_t word = 0;
    for (std::size_t byte = sizeof(Word); byte-- > 0;)
        word = word << 8U | static_cast<unsigned char>(bytes[offset + byte]);
    return static_cast<Word>(word);
}

}  // namespace

void append_frame(std::string& bytes, const Event& event) {
    append_word<std::uint32_t>(bytes, static_cast<std::uint32_t>(event.size_bytes()));
    append_word<std::uint16_t>(bytes, event.type());
    append_word<std::uint16_t>(bytes, event.has_key() ? kHasKey : 0);
    append_word<std::uint64_t>(bytes, event.has_key() ? event.key() : 0);
    append_word<std::uint64_t>(bytes, event.event_time_ns());
    bytes += text_of(event.payload());
}

Result<EventFrame> parse_frame(std::string_view header) {
    const auto flags = word_at<std::uint16_t>(header, kFlagsAt);
    if ((flags & ~kHasKey) != 0) {
        return make_error(ErrorCode::invalid_argument,
                          fmt::format("no frame begins here: its flags would be 0x{:04x}", flags),
                          "tailrace tail --format framed writes frames; --as lines takes lines");
    }
    EventFrame frame;
    frame.size_bytes = word_at<std::uint32_t>(header, 0);
    frame.fields.type = word_at<std::uint16_t>(header, kTypeAt);
    frame.fields.has_key = flags == kHasKey;
    frame.fields.key = word_at<std::uint64_t>(header, kKeyAt);
    frame.fields.event_time_ns = word_at<std::uint64_t>(header, kTimeAt);
    return frame;
}

}  // namespace tailrace::tool
