#include "hand_over/manifest.hpp"

#include <tailrace/base/checksum.hpp>
#include <tailrace/base/sequence_range.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <span>

namespace tailrace::tool {

namespace {

using ManifestJson = nlohmann::ordered_json;

constexpr std::string_view kVersion = "tailrace-export 1";
constexpr std::string_view kChecksumLine = "\n\"xxh3\": \"";

std::string one_line_json(const ManifestJson& value) {
    return value.dump(-1, ' ', false, ManifestJson::error_handler_t::replace);
}

std::string checksum_text(std::string_view text) {
    return fmt::format(
        "{:016x}", checksum64(std::as_bytes(std::span<const char>(text.data(), text.size())), 0));
}

void add_times(ManifestJson& json, const PublishTimes& times) {
    if (times.last_ns == 0) return;
    json["first_publish_time_ns"] = std::to_string(times.first_ns);
    json["last_publish_time_ns"] = std::to_string(times.last_ns);
}

ManifestJson json_of(const ExportedFile& file) {
    ManifestJson json;
    json["name"] = file.name;
    json["table"] = file.table;
    json["type"] = file.type;
    json["rows"] = file.rows;
    json["bytes"] = file.bytes;
    json["xxh3"] = file.xxh3;
    json["first_seq"] = file.first;
    json["end_seq"] = file.end;
    add_times(json, file.times);
    if (file.mended_texts != 0) json["mended_texts"] = file.mended_texts;
    return json;
}

ManifestJson json_of(const ExportedPart& part) {
    ManifestJson json;
    json["first_seq"] = part.first;
    json["end_seq"] = part.end;
    json["rows"] = part.rows();
    json["left_out"] = part.left_out;
    json["missing"] = part.missing();
    json["empty"] = part.empty();
    add_times(json, part.times());
    json["gaps"] = ManifestJson::array();
    for (const ExportedGap& gap : part.gaps) {
        ManifestJson one;
        one["first_seq"] = gap.first;
        one["end_seq"] = gap.end;
        one["kind"] = gap.kind;
        json["gaps"].push_back(std::move(one));
    }
    json["files"] = ManifestJson::array();
    for (const ExportedFile& file : part.files)
        json["files"].push_back(json_of(file));
    if (part.witness) {
        json["witness"]["seq"] = part.witness->sequence;
        json["witness"]["xxh3"] = part.witness->xxh3;
    }
    return json;
}

// --- reading. at() and get() throw what is missing or of another type.

PublishTimes times_in(const ManifestJson& json) {
    PublishTimes times;
    if (!json.contains("first_publish_time_ns")) return times;
    times.first_ns = std::stoull(json.at("first_publish_time_ns").get<std::string>());
    times.last_ns = std::stoull(json.at("last_publish_time_ns").get<std::string>());
    return times;
}

ExportedFile file_in(const ManifestJson& json) {
    ExportedFile file;
    file.name = json.at("name").get<std::string>();
    file.table = json.at("table").get<std::string>();
    file.type = json.at("type").get<EventType>();
    file.rows = json.at("rows").get<std::uint64_t>();
    file.bytes = json.at("bytes").get<std::uint64_t>();
    file.xxh3 = json.at("xxh3").get<std::string>();
    file.first = json.at("first_seq").get<Sequence>();
    file.end = json.at("end_seq").get<Sequence>();
    file.times = times_in(json);
    file.mended_texts = json.value("mended_texts", std::uint64_t{0});
    return file;
}

ExportedPart part_in(const ManifestJson& json) {
    ExportedPart part;
    part.first = json.at("first_seq").get<Sequence>();
    part.end = json.at("end_seq").get<Sequence>();
    part.left_out = json.at("left_out").get<std::uint64_t>();
    for (const ManifestJson& gap : json.at("gaps")) {
        part.gaps.push_back({gap.at("first_seq").get<Sequence>(),
                             gap.at("end_seq").get<Sequence>(),
                             gap.at("kind").get<std::string>()});
    }
    for (const ManifestJson& file : json.at("files"))
        part.files.push_back(file_in(file));
    if (json.contains("witness")) {
        const ManifestJson& witness = json.at("witness");
        part.witness =
            Witness{witness.at("seq").get<Sequence>(), witness.at("xxh3").get<std::string>()};
    }
    return part;
}

// Empty: the part's numbers agree with each other.
std::string contradiction_in(const ExportedPart& part) {
    const std::string which = range_text(part.first, part.end);
    const auto is_inside = [&](Sequence first, Sequence end) {
        return first < end && first >= part.first && end <= part.end;
    };
    if (part.first >= part.end) return "part " + which + " is empty";
    for (const ExportedGap& gap : part.gaps) {
        if (!is_inside(gap.first, gap.end)) return "a gap of part " + which + " lies outside it";
    }
    for (const ExportedFile& file : part.files) {
        if (!is_inside(file.first, file.end) || file.rows == 0 ||
            file.rows > file.end - file.first) {
            return "what it says of " + file.name + " can't be";
        }
        if (file.name.empty() || file.name.find('/') != std::string::npos || file.name[0] == '.')
            return "'" + file.name + "' is no name of a file";
    }
    if (part.rows() + part.left_out + part.missing() > part.end - part.first)
        return "part " + which + " has more rows than sequences";
    return {};
}

std::string contradiction_in(const Manifest& manifest) {
    Sequence next = manifest.begin;
    for (const ExportedPart& part : manifest.parts) {
        if (part.first != next)
            return fmt::format("a part begins at {}, and {} was to come", part.first, next);
        if (std::string found = contradiction_in(part); !found.empty()) return found;
        next = part.end;
    }
    return {};
}

Error damaged_manifest(const std::string& path, const std::string& why) {
    return make_error(ErrorCode::corrupt,
                      fmt::format("'{}' is damaged: {}", path, why),
                      "a copy of it, if there is one; else export into another directory");
}

}  // namespace

std::uint64_t ExportedPart::rows() const noexcept {
    std::uint64_t sum = 0;
    for (const ExportedFile& file : files)
        sum += file.rows;
    return sum;
}

std::uint64_t ExportedPart::missing() const noexcept {
    std::uint64_t sum = 0;
    for (const ExportedGap& gap : gaps)
        sum += gap.end - gap.first;
    return sum;
}

PublishTimes ExportedPart::times() const noexcept {
    PublishTimes all;
    for (const ExportedFile& file : files) {
        all.add(file.times.first_ns);
        all.add(file.times.last_ns);
    }
    return all;
}

const Witness* Manifest::witness() const noexcept {
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (part->witness) return &*part->witness;
    }
    return nullptr;
}

std::string Manifest::text() const {
    std::uint64_t rows = 0;
    std::uint64_t missing = 0;
    for (const ExportedPart& part : parts) {
        rows += part.rows();
        missing += part.missing();
    }
    ManifestJson head;
    head["format"] = kVersion;
    head["stream"] = stream;
    head["source"] = source;
    head["files"] = format;
    head["options"] = options;
    head["first_seq"] = begin;
    head["end_seq"] = end();
    head["rows"] = rows;
    head["missing"] = missing;
    std::string text = "{\n";
    for (const auto& [key, value] : head.items())
        text += fmt::format("\"{}\": {},\n", key, one_line_json(value));
    text += "\"parts\": [";
    const char* before = "\n";
    for (const ExportedPart& part : parts) {
        text.append(before).append(one_line_json(json_of(part)));
        before = ",\n";
    }
    text += "\n],";
    const std::string checksum = checksum_text(text);
    return text + fmt::format("{}{}\"\n}}\n", kChecksumLine, checksum);
}

Result<Manifest> parse_manifest(std::string_view text, const std::string& path) {
    const auto json = ManifestJson::parse(text, nullptr, false);
    if (json.is_discarded()) {
        // Ours begin so, also those that are cut off.
        const bool is_ours =
            text.substr(0, 32).find("\"format\": \"tailrace-export") != std::string_view::npos;
        if (is_ours || text.empty()) return damaged_manifest(path, "it is cut off, or no JSON");
    }
    if (!json.is_object() || !json.contains("format") || !json["format"].is_string() ||
        !json["format"].get<std::string>().starts_with("tailrace-export")) {
        return make_error(ErrorCode::not_tailrace,
                          fmt::format("'{}' is no manifest of ours", path),
                          "another directory");
    }
    if (json["format"].get<std::string>() != kVersion) {
        return make_error(ErrorCode::incompatible,
                          fmt::format("'{}' is '{}', and this program knows '{}'",
                                      path,
                                      json["format"].get<std::string>(),
                                      kVersion),
                          "the tailrace that wrote it, or another directory");
    }
    const std::size_t line = text.rfind(kChecksumLine);
    if (line == std::string_view::npos ||
        text.substr(line + kChecksumLine.size(), 16) != checksum_text(text.substr(0, line))) {
        return damaged_manifest(path, "its checksum is wrong");
    }
    Manifest manifest;
    try {
        manifest.stream = json.at("stream").get<std::string>();
        manifest.source = json.at("source").get<std::string>();
        manifest.format = json.at("files").get<std::string>();
        manifest.options = json.at("options").get<std::string>();
        manifest.begin = json.at("first_seq").get<Sequence>();
        for (const ManifestJson& part : json.at("parts"))
            manifest.parts.push_back(part_in(part));
    } catch (const std::exception& failure) {
        return damaged_manifest(path, failure.what());
    }
    if (const std::string found = contradiction_in(manifest); !found.empty())
        return damaged_manifest(path, found);
    return manifest;
}

}  // namespace tailrace::tool
