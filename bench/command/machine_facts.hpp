// MachineFacts: what one has to know of a machine to believe a figure from it, and what speaks
// against believing it. Read before a benchmark loads the machine; takes some milliseconds.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tailrace::bench {

struct MachineFacts {
    // Keys in the order in which people want them; every value is a text.
    nlohmann::ordered_json facts;
    // Sentences.
    std::vector<std::string> cautions;
};

[[nodiscard]] MachineFacts machine_facts();

}  // namespace tailrace::bench
