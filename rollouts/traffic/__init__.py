"""The dialects of traffic routing: one desired split, said in the words of somebody's routing objects."""
