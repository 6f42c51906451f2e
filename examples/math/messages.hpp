#pragma once
// What travels between the service and its clients: plain types that nlohmann/json converts.

#include <string>

#include <nlohmann/json.hpp>

struct Division {
  double dividend = 0;
  double divisor = 1;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Division, dividend, divisor)
};

struct User {
  int id = 0;
  std::string name;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(User, id, name)
};
