#include "measured/saved_bench.hpp"

#include "histogram_files.hpp"
#include "measured/report_page.hpp"
#include "output.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <string_view>

namespace tailrace::tool {

namespace {

Error cannot_write(int os_errno, const std::string& path) {
    return os_error(os_errno, "cannot write " + path, "df -h " + path);
}

Result<void> replace_file(const std::string& path, std::string_view text) {
    const std::string made = fmt::format("{}.part-{}", path, ::getpid());
    UniqueFd fd(::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd.is_open()) return cannot_write(errno, path);
    int failed = 0;
    while (!text.empty() && failed == 0) {
        const ssize_t written = ::write(fd.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            failed = errno;
        } else {
            text.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    if (failed == 0 && ::rename(made.c_str(), path.c_str()) != 0) failed = errno;
    if (failed == 0) return {};
    ::unlink(made.c_str());
    return cannot_write(failed, path);
}

std::vector<NamedReport> reports_in(const std::string& directory) {
    std::vector<NamedReport> reports;
    std::error_code failed;  // what can't be read has no section
    for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
        if (entry.path().extension() != ".json") continue;
        std::ifstream file(entry.path());
        nlohmann::json report = nlohmann::json::parse(file, nullptr, false);
        const bool is_one =
            report.is_object() && report.contains("bench") && report["bench"].is_string();
        if (is_one) reports.push_back({entry.path().stem().string(), std::move(report)});
    }
    std::sort(reports.begin(), reports.end(), [](const auto& left, const auto& right) {
        return left.name < right.name;
    });
    return reports;
}

}  // namespace

std::string bench_file_name(const nlohmann::json& report) {
    auto name = report["bench"].get<std::string>();
    if (report.contains("size_bytes")) name += fmt::format("-{}B", report["size_bytes"].dump());
    if (report.contains("rate_per_s"))
        name += fmt::format("-{:.0f}", report["rate_per_s"].get<double>());
    if (report.contains("publishers")) {
        name += fmt::format("-{}to{}", report["publishers"].dump(), report["subscribers"].dump());
    }
    return name;
}

Result<void> prepare_bench_directory(const std::string& directory) {
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    if (failed) return cannot_write(failed.value(), directory);
    const std::string probe = fmt::format("{}/.part-{}", directory, ::getpid());
    if (auto made = replace_file(probe, ""); !made) return made.error();
    ::unlink(probe.c_str());
    return {};
}

Result<std::vector<std::string>> save_bench(const std::string& directory,
                                            const nlohmann::json& report,
                                            const bench::LatencyRecord& record) {
    const std::string name = bench_file_name(report);
    std::vector<std::string> files;
    const auto save = [&](const std::string& file, const std::string& text) {
        files.push_back(file);
        return replace_file(directory + "/" + file, text);
    };
    auto saved = save(name + ".json", report.dump(1) + "\n");
    if (saved && !record.series.empty()) saved = save(name + ".hlog", record.hlog_text());
    for (const bench::LatencySeries& series : record.series) {
        if (!saved) break;
        saved =
            save(fmt::format("{}.{}.hgrm", name, series.name), bench::hgrm_text(*series.whole()));
    }
    if (saved) saved = save("report.html", report_page(reports_in(directory)));
    if (!saved) return saved.error();
    return files;
}

}  // namespace tailrace::tool
