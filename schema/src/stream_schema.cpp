#include <tailrace/schema/stream_schema.hpp>

#include <algorithm>

namespace tailrace::schema {

namespace {

constexpr std::size_t kLongestName = 63;
constexpr std::size_t kMostTypes = 1024;

bool is_word(std::string_view word, std::string_view characters) noexcept {
    return !word.empty() && word.size() <= kLongestName &&
           word.find_first_not_of(characters) == std::string_view::npos;
}

std::string shown(const EventSchema& type) {
    return "type " + std::to_string(type.type) + " '" + type.name + "'";
}

Error differs(const std::string& what) {
    return make_error(
        ErrorCode::incompatible,
        what,
        "a type may grow at its end; any other change needs a type number of its own");
}

Result<void> check_type(const EventSchema& type) {
    constexpr std::string_view kNameCharacters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    constexpr std::string_view kEncodingCharacters = "abcdefghijklmnopqrstuvwxyz0123456789._-+/";
    if (!is_word(type.name, kNameCharacters) || (type.name[0] >= '0' && type.name[0] <= '9')) {
        return invalid_argument("'" + type.name + "' can't name a type of events",
                                "1 to 63 of A-Z a-z 0-9 _, and no digit first");
    }
    if (!is_word(type.encoding, kEncodingCharacters)) {
        return invalid_argument("'" + type.encoding + "' can't name the encoding of " + shown(type),
                                "text, json, protobuf, flatbuffers, or another word of a-z 0-9 . _ "
                                "- + /");
    }
    for (const EventLayout& layout : type.versions) {
        auto checked = check_layout(layout);
        if (checked) continue;
        Error error = checked.error();
        error.message = shown(type) + ": " + error.message;
        return error;
    }
    return {};
}

// Puts the layout in its place among the versions. False: it was there.
Result<bool> put_layout(EventSchema& type, const EventLayout& fresh) {
    auto& versions = type.versions;
    const auto place = std::lower_bound(versions.begin(),
                                        versions.end(),
                                        fresh.size_bytes,
                                        [](const EventLayout& version, std::uint32_t size_bytes) {
                                            return version.size_bytes < size_bytes;
                                        });
    if (place != versions.end() && *place == fresh) return false;
    const bool is_of_a_size = place != versions.end() && place->size_bytes == fresh.size_bytes;
    std::string difference;
    if (place != versions.begin() && !is_of_a_size) difference = difference_of(*(place - 1), fresh);
    if (place != versions.end() && difference.empty()) difference = difference_of(*place, fresh);
    if (!difference.empty()) return differs(shown(type) + " differs: " + difference);
    versions.insert(place, fresh);
    return true;
}

}  // namespace

const EventLayout* EventSchema::layout_for(std::uint64_t size_bytes) const noexcept {
    const EventLayout* found = nullptr;
    for (const EventLayout& version : versions) {
        if (version.size_bytes <= size_bytes) found = &version;
    }
    return found;
}

StreamSchema& StreamSchema::add(EventType type, std::string_view name, EventLayout layout) {
    EventSchema fresh{type, std::string(name), std::string(kStructEncoding), {}};
    fresh.versions.push_back(std::move(layout));
    if (auto added = put(fresh); !added && !problem_) problem_ = added.error();
    return *this;
}

StreamSchema& StreamSchema::add_opaque(EventType type,
                                       std::string_view name,
                                       std::string_view encoding) {
    auto added = put({type, std::string(name), std::string(encoding), {}});
    if (!added && !problem_) problem_ = added.error();
    return *this;
}

const EventSchema* StreamSchema::find(EventType type) const noexcept {
    const auto found = std::find_if(
        types_.begin(), types_.end(), [type](const EventSchema& one) { return one.type == type; });
    return found == types_.end() ? nullptr : &*found;
}

const EventSchema* StreamSchema::find(std::string_view name) const noexcept {
    const auto found = std::find_if(
        types_.begin(), types_.end(), [name](const EventSchema& one) { return one.name == name; });
    return found == types_.end() ? nullptr : &*found;
}

Result<bool> StreamSchema::put(const EventSchema& fresh) {
    if (auto checked = check_type(fresh); !checked) return checked.error();
    const EventSchema* const namesake = find(fresh.name);
    if (namesake != nullptr && namesake->type != fresh.type) {
        return differs("the name '" + fresh.name + "' stands for type " +
                       std::to_string(namesake->type) + ", and not for type " +
                       std::to_string(fresh.type));
    }
    const auto place = std::lower_bound(
        types_.begin(), types_.end(), fresh.type, [](const EventSchema& one, EventType type) {
            return one.type < type;
        });
    if (place == types_.end() || place->type != fresh.type) {
        if (types_.size() == kMostTypes)
            return invalid_argument("a stream has at most " + std::to_string(kMostTypes) +
                                    " types of events");
        types_.insert(place, fresh);
        return true;
    }
    if (place->name != fresh.name) {
        return differs(shown(*place) + " differs: it is '" + fresh.name + "', and was '" +
                       place->name + "'");
    }
    if (place->encoding != fresh.encoding) {
        return differs(shown(*place) + " differs: its encoding is " + fresh.encoding +
                       ", and was " + place->encoding);
    }
    bool is_new = false;
    for (const EventLayout& layout : fresh.versions) {
        auto put_in = put_layout(*place, layout);
        if (!put_in) return put_in.error();
        is_new = is_new || *put_in;
    }
    return is_new;
}

Result<bool> StreamSchema::merge(const StreamSchema& other) {
    if (other.problem_) return *other.problem_;
    StreamSchema merged = *this;
    bool is_new = false;
    for (const EventSchema& type : other.types_) {
        auto put_in = merged.put(type);
        if (!put_in) return put_in.error();
        is_new = is_new || *put_in;
    }
    if (is_new) *this = std::move(merged);
    return is_new;
}

}  // namespace tailrace::schema
