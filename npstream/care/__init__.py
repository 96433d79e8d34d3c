"""The care file: how customers are cared for. One module for each of its tables; what each agent gets is made of them."""
