#include "hand_over/manifest.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace manifest_test {

using namespace tailrace;  // NOLINT: what is tested
using tool::ExportedPart;
using tool::Manifest;

namespace {

Manifest some_manifest() {
    Manifest manifest;
    manifest.stream = "trades \"eu\"";
    manifest.source = "journal 00";
    manifest.format = "csv";
    manifest.options = "--where 'price > 1'";
    manifest.begin = 5;
    ExportedPart one;
    one.first = 5;
    one.end = 105;
    one.left_out = 10;
    one.gaps = {{5, 15, "retired"}, {50, 52, "damaged"}};
    one.files = {{"Trade-5-105.csv", "Trade", 7, 70, 1234, "00ff", 15, 104, {1, 1ULL << 62U}, 3},
                 {"type-0-5-105.csv", "type-0", 0, 2, 10, "01", 20, 105, {}, 0}};
    one.witness = tool::Witness{104, "abcd"};
    ExportedPart two;
    two.first = 105;
    two.end = 106;
    manifest.parts = {one, two};
    return manifest;
}

ErrorCode refusal(const std::string& text) {
    auto parsed = tool::parse_manifest(text, "m");
    REQUIRE(!parsed);
    CHECK(parsed.error().message.find("'m'") != std::string::npos);
    CHECK(!parsed.error().hint.empty());
    return parsed.error().code;
}

}  // namespace

TEST_CASE("manifest: what it says comes back, and its sums are right", "[hand_over]") {
    const Manifest manifest = some_manifest();
    auto parsed = tool::parse_manifest(manifest.text(), "m");
    REQUIRE(parsed);
    CHECK(*parsed == manifest);
    CHECK(parsed->end() == 106);
    const ExportedPart& part = parsed->parts.front();
    CHECK(part.rows() == 72);
    CHECK(part.missing() == 12);
    CHECK(part.empty() == 6);
    CHECK(part.times().first_ns == 1);
    REQUIRE(parsed->witness() != nullptr);
    CHECK(parsed->witness()->sequence == 104);
    CHECK(tool::parse_manifest(Manifest{}.text(), "m"));
}

TEST_CASE("manifest: each byte that is changed or cut off is noticed", "[hand_over]") {
    const std::string text = some_manifest().text();
    for (std::size_t size = 0; size + 3 < text.size(); ++size) {
        const ErrorCode code = refusal(text.substr(0, size));
        CHECK((code == ErrorCode::corrupt || code == ErrorCode::not_tailrace));
    }
    for (std::size_t at = 0; at + 20 < text.size(); ++at) {
        std::string changed = text;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        CHECK(!tool::parse_manifest(changed, "m"));
    }
}

TEST_CASE("manifest: numbers that contradict each other are damage, whatever the checksum says",
          "[hand_over]") {
    const auto refused = [](auto change) {
        Manifest manifest = some_manifest();
        change(manifest);
        CHECK(refusal(manifest.text()) == ErrorCode::corrupt);
    };
    refused([](Manifest& one) { one.begin = 4; });
    refused([](Manifest& one) { one.parts[1].first = 106; });
    refused([](Manifest& one) { one.parts[1].first = 104; });
    refused([](Manifest& one) { one.parts[0].files[0].rows = 89; });
    refused([](Manifest& one) { one.parts[0].files[0].rows = 0; });
    refused([](Manifest& one) { one.parts[0].files[0].end = 106; });
    refused([](Manifest& one) { one.parts[0].files[0].name = "../passwd"; });
    refused([](Manifest& one) { one.parts[0].gaps[0].end = 200; });
}

TEST_CASE("manifest: what isn't ours, and what a later version wrote, is told apart",
          "[hand_over]") {
    CHECK(refusal("{}") == ErrorCode::not_tailrace);
    CHECK(refusal("hello") == ErrorCode::not_tailrace);
    CHECK(refusal("[1]") == ErrorCode::not_tailrace);
    std::string later = some_manifest().text();
    later.replace(later.find("export 1"), 8, "export 2");
    CHECK(refusal(later) == ErrorCode::incompatible);
}

}  // namespace manifest_test
