#include "tools/ferry/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "support/catch.hpp"

using ferry::tool::Histogram;
using std::chrono::nanoseconds;

TEST_CASE("an empty histogram has nothing to say") {
  const Histogram empty;
  CHECK(empty.count() == 0);
  CHECK(empty.quantile(0.5) == nanoseconds(0));
  CHECK(empty.max() == nanoseconds(0));
  CHECK(empty.mean() == nanoseconds(0));
}

TEST_CASE("small values are exact") {
  Histogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.add(nanoseconds(i));
  CHECK(histogram.quantile(0) == nanoseconds(1));
  CHECK(histogram.quantile(0.5) == nanoseconds(50));
  CHECK(histogram.quantile(0.99) == nanoseconds(99));
  CHECK(histogram.quantile(1) == nanoseconds(100));
  CHECK(histogram.max() == nanoseconds(100));
  CHECK(histogram.mean() == nanoseconds(50));
}

TEST_CASE("every value of 64 bits has a bucket whose end is less than 0.8 % above it") {
  std::vector<std::int64_t> values{0, 127, 128, 129, 255, 256, 257, 511, 512, std::numeric_limits<std::int64_t>::max()};
  for (int bit = 0; bit < 63; ++bit) {
    for (const std::int64_t near : {-1, 0, 1}) values.push_back((std::int64_t{1} << bit) + near);
  }
  for (const std::int64_t value : values) {
    Histogram histogram;
    histogram.add(nanoseconds(value));
    histogram.add(nanoseconds(std::numeric_limits<std::int64_t>::max()));
    const std::int64_t found = histogram.quantile(0.5).count();
    INFO(value << " came back as " << found);
    CHECK(found >= value);
    CHECK(static_cast<double>(found - value) <= 0.008 * static_cast<double>(value));
  }
}

TEST_CASE("quantiles of many values are those of the sorted values") {
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> times(11, 2);
  std::vector<std::int64_t> all;
  Histogram histogram;
  for (int i = 0; i < 20000; ++i) {
    all.push_back(static_cast<std::int64_t>(times(random)));
    histogram.add(nanoseconds(all.back()));
  }
  std::sort(all.begin(), all.end());
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    const auto exact = static_cast<double>(all[static_cast<std::size_t>(std::ceil(share * 20000)) - 1]);
    const auto found = static_cast<double>(histogram.quantile(share).count());
    CHECK(found >= exact);
    CHECK(found <= exact * 1.008);
  }
  CHECK(histogram.max().count() == all.back());
}

TEST_CASE("a clock that went back counts as no time") {
  Histogram histogram;
  histogram.add(nanoseconds(-5));
  CHECK(histogram.count() == 1);
  CHECK(histogram.max() == nanoseconds(0));
}
