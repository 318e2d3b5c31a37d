// Trouble: what is wrong, in words for a person, and a command that helps.
#pragma once

#include <string>

namespace tailrace::observe {

struct Trouble {
    std::string what;
    std::string hint;
};

}  // namespace tailrace::observe
