// ThriftText: structures in thrift's compact protocol, as Parquet has them in its page headers and
// in its footer. Fields of a structure come in ascending order of their numbers. One thread.
#pragma once

#include "byte_buffer.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace tailrace::parquet {

class ThriftText {
public:
    enum class Kind : std::uint8_t {
        yes = 1,
        no = 2,
        byte = 3,
        i16 = 4,
        i32 = 5,
        i64 = 6,
        binary = 8,
        list = 9,
        structure = 12,
    };

    // What is written goes behind what the buffer holds.
    explicit ThriftText(ByteBuffer& into) noexcept : into_(into) {}

    // The outermost structure, or the next one in a list.
    void begin() { last_.push_back(0); }
    void end() {
        into_.put_byte(0);
        last_.pop_back();
    }
    // A structure that is a field.
    void begin(int field) {
        head(field, Kind::structure);
        last_.push_back(0);
    }
    void boolean(int field, bool value) { head(field, value ? Kind::yes : Kind::no); }
    void byte(int field, std::uint8_t value) {
        head(field, Kind::byte);
        into_.put_byte(value);
    }
    void i16(int field, std::int64_t value) {
        head(field, Kind::i16);
        into_.put_zigzag(value);
    }
    void i32(int field, std::int64_t value) {
        head(field, Kind::i32);
        into_.put_zigzag(value);
    }
    void i64(int field, std::int64_t value) {
        head(field, Kind::i64);
        into_.put_zigzag(value);
    }
    void binary(int field, std::string_view bytes) {
        head(field, Kind::binary);
        item(bytes);
    }
    void list(int field, Kind of, std::size_t count) {
        constexpr std::size_t kShort = 15;
        head(field, Kind::list);
        const auto kind = static_cast<unsigned>(of);
        if (count < kShort) {
            into_.put_byte(static_cast<unsigned>(count << 4U) | kind);
        } else {
            into_.put_byte(0xF0U | kind);
            into_.put_varint(count);
        }
    }
    // Of a list.
    void item(std::string_view bytes) {
        into_.put_varint(bytes.size());
        into_.append(bytes);
    }
    void item(std::int64_t value) { into_.put_zigzag(value); }

private:
    void head(int field, Kind kind) {
        constexpr int kNear = 15;
        const int step = field - last_.back();
        if (step > 0 && step <= kNear) {
            into_.put_byte(static_cast<unsigned>(step) << 4U | static_cast<unsigned>(kind));
        } else {
            into_.put_byte(static_cast<unsigned>(kind));
            into_.put_zigzag(field);
        }
        last_.back() = field;
    }

    ByteBuffer& into_;
    std::vector<int> last_;  // field of each structure that is open
};

}  // namespace tailrace::parquet
