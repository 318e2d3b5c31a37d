// What a stream's events are made of, for programs in other languages: a header of C, Python's
// dtypes of numpy, JSON. Pure functions.
#pragma once

#include "output.hpp"

#include <tailrace/schema/stream_schema.hpp>

#include <string>

namespace tailrace::tool {

// Structs with the bytes where they are: what would lie elsewhere is padded or packed, and checked
// when it is compiled, by C and C++. Nested names are joined: legs[0].price is legs_0_price. Of an
// older version the name ends with its size.
[[nodiscard]] std::string types_c(const schema::StreamSchema& types);

// Trade = numpy.dtype({...}), with offsets; older versions as Trade_16.
[[nodiscard]] std::string types_numpy(const schema::StreamSchema& types);

// {"types":[{"type":1,"name":"Trade","encoding":"struct","versions":[{"size_bytes":24,…}]}]}
[[nodiscard]] Json types_json(const schema::StreamSchema& types);

}  // namespace tailrace::tool
