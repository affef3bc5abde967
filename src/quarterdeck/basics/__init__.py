"""Values every floor may use: ids, quantities with units, time spans, chance and errors."""
