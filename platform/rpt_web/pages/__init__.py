"""The pages: each area has its addresses, views and forms. What they show comes from the domain apps."""
