#include "dashboard.hpp"

#include "dashboard_files.hpp"

#include <tailrace/base/check.hpp>

#include <span>
#include <string>
#include <string_view>

namespace tailrace::tool {

namespace {

void put_in(std::string& page, std::string_view mark, std::span<const std::string_view> files) {
    std::string text;
    for (const std::string_view file : files)
        text.append(file).append("\n");
    const std::size_t at = page.find(mark);
    TAILRACE_CHECK(at != std::string::npos);
    page.replace(at, mark.size(), text);
}

SharedText whole_page() {
    std::string page(kDashboardFiles.html.front());
    put_in(page, "@licence", kDashboardFiles.licence);
    put_in(page, "/*@style*/", kDashboardFiles.styles);
    put_in(page, "/*@script*/", kDashboardFiles.scripts);
    return std::make_shared<const std::string>(std::move(page));
}

}  // namespace

SharedText dashboard_page() {
    static const SharedText page = whole_page();
    return page;
}

}  // namespace tailrace::tool
