"""What commands share: lazy groups, options, tables and cost lines."""
