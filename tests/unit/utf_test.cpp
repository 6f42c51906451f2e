#include "catch.hpp"
#include "ferry/detail/utf.hpp"

using namespace ferry::detail;

TEST_CASE("utf: units of what is well formed") {
  CHECK(utf16_units("") == 0);
  CHECK(utf16_units("abc") == 3);
  CHECK(utf16_units("é") == 1);
  CHECK(utf16_units("€") == 1);
  CHECK(utf16_units("😀") == 2);
  CHECK(utf16_units(std::string(1000, 'x') + "😀é") == 1003);
}

TEST_CASE("utf: maximal ill-formed subparts count one each") {
  struct { const char* bytes; std::size_t units; } const cases[] = {
      {"\xff", 1}, {"\xe2\x82", 1}, {"\xf0\x9f\x98", 1}, {"\xc0\xaf", 2}, {"\xed\xa0\xbd", 3}, {"\xf5\x80", 2},
      {"\xe2(\xa1", 3}, {"\xf4\x90\x80\x80", 4}, {"\xe0\x80\x80", 3}, {"a\x80z", 3}};
  for (const auto& each : cases) {
    CAPTURE(each.bytes);
    CHECK(utf16_units(each.bytes) == each.units);
    CHECK_FALSE(is_valid_utf8(each.bytes));
    const std::string repaired = replace_invalid_utf8(each.bytes);
    CHECK(is_valid_utf8(repaired));
    CHECK(utf16_units(repaired) == each.units);
  }
  CHECK(is_valid_utf8("é€😀"));
}

TEST_CASE("utf: a scan goes on where it stopped, at every split") {
  const std::string text = "aé€😀\xff z\xe2\x82" "b";
  UnitScan whole;
  scan_units(text, 1000, whole);
  for (std::size_t split = 0; split <= text.size(); ++split) {
    UnitScan scan;
    scan_units(std::string_view(text).substr(0, split), 1000, scan);
    CHECK(scan.bytes <= split);
    scan_units(text, 1000, scan);
    CHECK(scan.bytes == whole.bytes);
    CHECK(scan.units == whole.units);
    CHECK(scan.invalid);
  }
}

TEST_CASE("utf: a limit is not overshot by a pair") {
  UnitScan scan;
  scan_units("ab😀c", 3, scan);
  CHECK(scan.units == 2);
  CHECK(scan.bytes == 2);
  scan_units("ab😀c", 4, scan);
  CHECK(scan.units == 4);
  CHECK(scan.bytes == 6);
}
