// Who deletes or hides files behind everybody's back: logind at a logout, the cleaners of temporary
// files, and a service manager that gives each service a /tmp of its own.

#include <tailrace/bus/region.hpp>
#include <tailrace/observe/machine_check.hpp>

#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <pwd.h>
#include <set>
#include <sstream>

namespace tailrace::observe {

namespace {

bool is_below(const std::string& path, const std::string& parent) {
    return path == parent || path.starts_with(parent + "/");
}

std::string trimmed(const std::string& text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    const std::size_t end = text.find_last_not_of(" \t\r");
    return begin == std::string::npos ? std::string() : text.substr(begin, end - begin + 1);
}

// The files of a systemd configuration, the later ones decide.
std::vector<std::string> configuration_files(const std::string& root, const std::string& name) {
    std::vector<std::string> files;
    std::error_code failed;
    for (const char* place : {"/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/"}) {
        if (!std::filesystem::exists(root + place + name, failed)) continue;
        files.push_back(root + place + name);
        break;
    }
    std::map<std::string, std::string> parts;  // by name; of one name the last place counts
    for (const char* place : {"/usr/lib/systemd/", "/run/systemd/", "/etc/systemd/"}) {
        for (const auto& entry :
             std::filesystem::directory_iterator(root + place + name + ".d", failed)) {
            if (entry.path().extension() == ".conf")
                parts[entry.path().filename().string()] = entry.path().string();
        }
    }
    for (const auto& [part, path] : parts)
        files.push_back(path);
    return files;
}

std::string name_of_user(uid_t uid) {
    const passwd* const entry = ::getpwuid(uid);
    return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

// logind spares system users, and those that linger.
bool is_cleaned_at_logout(uid_t uid) {
    constexpr uid_t kLastSystemUser = 999;
    std::error_code failed;
    return uid > kLastSystemUser &&
           !std::filesystem::exists("/var/lib/systemd/linger/" + name_of_user(uid), failed);
}

std::string joined(const std::set<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

void check_logout(std::vector<Check>& checks,
                  const std::string& rings,
                  const std::vector<std::string>& streams) {
    if (!is_below(rings, "/dev/shm")) return;
    if (!removes_ipc("")) {
        checks.push_back(
            {Verdict::ok, "logout", "deletes no rings: no logind, or RemoveIPC=no", ""});
        return;
    }
    std::set<std::string> users;
    if (is_cleaned_at_logout(::geteuid())) users.insert(name_of_user(::geteuid()));
    for (const std::string& stream : streams) {
        struct stat status {};
        if (::lstat((rings + "/" + stream).c_str(), &status) == 0 &&
            is_cleaned_at_logout(status.st_uid)) {
            users.insert(name_of_user(status.st_uid));
        }
    }
    if (users.empty()) {
        checks.push_back(
            {Verdict::ok, "logout", "deletes no rings: those of system users are spared", ""});
        return;
    }
    checks.push_back(
        {Verdict::warn,
         "logout",
         "logind deletes what " + joined(users) +
             " has in /dev/shm when the last session ends, rings in use too (RemoveIPC)",
         "loginctl enable-linger " + *users.begin() +
             "; or RemoveIPC=no in /etc/systemd/logind.conf and systemctl restart "
             "systemd-logind"});
}

// Whether this process sees a directory there that its service manager made for it alone.
bool is_private(const std::string& mount_point) {
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string skipped;
        std::string root;
        std::string place;
        words >> skipped >> skipped >> skipped >> root >> place;
        if (place == mount_point && root.find("systemd-private-") != std::string::npos) return true;
    }
    return false;
}

void check_temporary(std::vector<Check>& checks, const std::set<std::string>& places) {
    for (const std::string parent : {"/tmp", "/var/tmp"}) {
        const auto found = std::find_if(places.begin(), places.end(), [&](const auto& place) {
            return is_below(place, parent);
        });
        if (found == places.end()) continue;
        checks.push_back(
            {Verdict::warn,
             "temporary place",
             is_private(parent)
                 ? *found + ": " + parent +
                       " is private to this service (PrivateTmp), nobody else sees it"
                 : *found + ": a service with PrivateTmp=yes sees another " + parent +
                       "; and cleaners delete there what is old",
             "a directory of its own, as /var/lib/tailrace: --journal DIR, TAILRACE_JOURNAL_DIR"});
    }
}

}  // namespace

bool removes_ipc(const std::string& root) {
    std::error_code failed;
    // logind makes it.
    if (!std::filesystem::is_directory(root + "/run/systemd/users", failed)) return false;
    std::string value = "yes";
    for (const std::string& path : configuration_files(root, "logind.conf")) {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);) {
            const std::size_t equals = line.find('=');
            if (equals == std::string::npos || trimmed(line.substr(0, equals)) != "RemoveIPC")
                continue;
            value = trimmed(line.substr(equals + 1));
        }
    }
    constexpr std::string_view kNo[] = {"no", "n", "false", "f", "off", "0"};
    return std::find(std::begin(kNo), std::end(kNo), value) == std::end(kNo);
}

void check_cleaners(std::vector<Check>& checks,
                    const std::string& rings,
                    const std::string& journals) {
    auto names = bus::Region::list(rings);
    const std::vector<std::string> streams = names ? *names : std::vector<std::string>{};
    check_logout(checks, rings, streams);
    std::set<std::string> places{rings, journals};
    for (const std::string& stream : streams) {
        if (auto header = bus::Region::peek(stream, rings, true))
            places.insert(header->journal_directory.data());
    }
    check_temporary(checks, places);
}

}  // namespace tailrace::observe
