// StreamReport: what `tailrace inspect` prints of a stream, as text or as one JSON document.
#pragma once

#include "exit_code.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>

#include <memory>

namespace tailrace::tool {

[[nodiscard]] Result<ExitCode> inspect_stream(const std::shared_ptr<bus::Region>& region);

}  // namespace tailrace::tool
