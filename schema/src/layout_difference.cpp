// What differs between two layouts, in words.

#include <tailrace/schema/event_layout.hpp>

#include <algorithm>

namespace tailrace::schema {

namespace {

constexpr std::size_t kMostTold = 4;

std::string place_text(const Field& field) {
    return type_text(field) + " at byte " + std::to_string(field.offset_bytes);
}

std::string sentence(const std::vector<std::string>& differences) {
    std::string text;
    const std::size_t told = std::min(differences.size(), kMostTold);
    for (std::size_t at = 0; at < told; ++at)
        text += (at == 0 ? "" : "; ") + differences[at];
    if (told < differences.size())
        text += "; and " + std::to_string(differences.size() - told) + " more";
    return text;
}

}  // namespace

std::string difference_of(const EventLayout& known, const EventLayout& declared) {
    std::vector<std::string> differences;
    bool is_cut = false;    // fields of `known` stand behind the end of `declared`
    bool is_grown = false;  // and the other way round
    for (const Field& was : known.fields) {
        const Field* const is = declared.find(was.name);
        if (is == nullptr && was.offset_bytes >= declared.size_bytes) {
            is_cut = true;
        } else if (is == nullptr) {
            differences.push_back("'" + was.name + "', " + place_text(was) + ", is missing");
        } else if (*is != was) {
            differences.push_back("'" + was.name + "' is " + place_text(*is) + ", not " +
                                  place_text(was));
        }
    }
    for (const Field& is : declared.fields) {
        if (known.find(is.name) != nullptr) continue;
        if (is.offset_bytes >= known.size_bytes) {
            is_grown = true;
            continue;
        }
        differences.push_back("'" + is.name + "', " + place_text(is) +
                              ", is new, and not behind the " + std::to_string(known.size_bytes) +
                              " bytes that there were");
    }
    if (!differences.empty()) return sentence(differences);
    const bool is_version = declared.size_bytes == known.size_bytes ||
                            (declared.size_bytes > known.size_bytes ? is_grown : is_cut);
    if (is_version) return {};
    return "it has " + std::to_string(declared.size_bytes) + " bytes, not " +
           std::to_string(known.size_bytes);
}

}  // namespace tailrace::schema
