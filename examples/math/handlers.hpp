#pragma once

#include <ferry/application.hpp>

/// What the service does. Says nothing about how messages reach it: that is the config file's business.
void add_math_handlers(ferry::Application& app);
